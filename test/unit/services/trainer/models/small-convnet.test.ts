import assert from 'node:assert/strict';
import { UsageError } from '../../../../../lib/core/errors.js';
import { openBackend, type Backend } from '../../../../../services/trainer/backend/backend.js';
import { createModel } from '../../../../../services/trainer/models/catalog.js';
import { fillParameter } from '../../../../../services/trainer/models/fillers.js';
import { numElementsOf, type ParameterSpec } from '../../../../../services/trainer/models/parameter-spec.js';

describe('the small convnet', () => {
  let backend: Backend;
  before(async () => {
    backend = await openBackend('wasm');
  });

  it('has the parameters that its layers add up to, whatever the size of the input', () => {
    const counts = [16, 56, 227].map((side) =>
      createModel('small-convnet', [side, side, 3], 10).parameters.reduce(
        (sum, { shape }) => sum + numElementsOf(shape),
        0,
      ),
    );
    const expected = 5 * 5 * 3 * 16 + 16 + 3 * 3 * 16 * 32 + 32 + 3 * 3 * 32 * 64 + 64 + 64 * 10 + 10;
    assert.deepEqual(counts, [expected, expected, expected]);
  });

  for (const side of [16, 17, 56, 64, 112, 227, 256]) {
    it(`gives logits for images of ${side} pixels that differ little in size from class to class`, () => {
      const { tf } = backend;
      const model = createModel('small-convnet', [side, side, 3], 7);
      tf.tidy(() => {
        const parameters = new Map(
          model.parameters.map((parameter) => [
            parameter.name,
            tf.tensor(fillParameter(parameter, 0), [...parameter.shape]),
          ]),
        );
        const images = tf.randomNormal<typeof tf.Rank.R4>([2, side, side, 3], 0, 64, 'float32', 1);
        const logits = model.logits({ tf, tensors: parameters }, images);
        assert.deepEqual(logits.shape, [2, 7]);
        assert.ok(logits.dataSync().every((logit) => Math.abs(logit) < 1));
      });
    });
  }

  for (const shape of [
    [56, 48, 3],
    [15, 15, 3],
  ] as const) {
    it(`refuses images of ${shape.join('×')}`, () => {
      assert.throws(() => createModel('small-convnet', shape, 10), /expects square images of 16 pixels or more/);
    });
  }

  it('is found by its name, and other names are refused with the names there are', () => {
    assert.throws(
      () => createModel('resnet', [56, 56, 3], 10),
      (error: unknown) => {
        return (
          error instanceof UsageError &&
          error.field === 'model' &&
          /one of small-convnet, caffenet, .*, got "resnet"/.test(error.message)
        );
      },
    );
  });
});

describe('first values', () => {
  const spec = (name: string, filler: ParameterSpec['filler']): ParameterSpec => ({
    name,
    shape: [5, 5, 8, 200],
    filler,
    rateMultiplier: 1,
    decayMultiplier: 1,
    isAuxiliary: false,
  });
  const moments = (values: Float32Array): { mean: number; std: number } => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return { mean, std: Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length) };
  };

  it('are the same for the same seed and name, and others for another', () => {
    const values = (name: string, seed: number): number[] => [...fillParameter(spec(name, { type: 'xavier' }), seed)];
    assert.deepEqual(values('conv1.weight', 3), values('conv1.weight', 3));
    assert.notDeepEqual(values('conv1.weight', 3), values('conv1.weight', 4));
    assert.notDeepEqual(values('conv1.weight', 3), values('conv2.weight', 3));
    assert.notDeepEqual(values('conv1.weight', 0), values('conv1.weight', 2 ** 40));
  });

  for (const { filler, std } of [
    { filler: { type: 'gaussian', std: 0.01 }, std: 0.01 },
    { filler: { type: 'xavier' }, std: Math.sqrt(1 / 200) },
    { filler: { type: 'msra', varianceNorm: 'fan_in' }, std: Math.sqrt(2 / 200) },
    { filler: { type: 'msra', varianceNorm: 'fan_out' }, std: Math.sqrt(2 / 5000) },
  ] as const) {
    it(`by ${JSON.stringify(filler)} have the mean and deviation that were asked for`, () => {
      // 40,000 draws: the mean is within four standard errors, the deviation within 1.5 %, unless something is wrong.
      const found = moments(fillParameter(spec('w', filler), 1));
      assert.ok(Math.abs(found.mean) < (4 * std) / 200, `mean ${found.mean}`);
      assert.ok(Math.abs(found.std / std - 1) < 0.015, `deviation ${found.std}`);
    });
  }

  it('by constant are the constant', () => {
    assert.ok(fillParameter(spec('b', { type: 'constant', value: 0.5 }), 1).every((value) => value === 0.5));
  });
});
