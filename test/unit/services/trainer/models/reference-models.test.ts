import assert from 'node:assert/strict';
import type { Tensor } from '@tensorflow/tfjs-core';
import { openBackend, type Backend } from '../../../../../services/trainer/backend/backend.js';
import { createModel, MODEL_NAMES, type ModelName } from '../../../../../services/trainer/models/catalog.js';
import type { AuxiliaryLogits } from '../../../../../services/trainer/models/layers/pass.js';
import { numParametersOf } from '../../../../../services/trainer/models/model.js';
import { numElementsOf } from '../../../../../services/trainer/models/parameter-spec.js';
import { DEFAULT_SOLVER } from '../../../../../services/trainer/solver/settings.js';
import { initialState } from '../../../../../services/trainer/train/learner.js';

describe('the reference models', () => {
  for (const { name, side, numParameters, numStatistics = 0 } of [
    { name: 'caffenet', side: 227, numParameters: 60_965_224 },
    { name: 'alexnet', side: 227, numParameters: 60_965_224 },
    { name: 'googlenet', side: 224, numParameters: 6_998_552 },
    { name: 'resnet-18', side: 224, numParameters: 11_689_512, numStatistics: 9_600 },
    { name: 'resnet-34', side: 224, numParameters: 21_797_672, numStatistics: 17_024 },
    { name: 'resnet-50', side: 224, numParameters: 25_557_032, numStatistics: 53_120 },
  ] as const) {
    it(`have the published number of parameters: ${name}`, () => {
      const model = createModel(name, [side, side, 3], 1000);
      assert.equal(numParametersOf(model), numParameters);
      assert.equal(
        model.statistics.reduce((sum, { shape }) => sum + numElementsOf(shape), 0),
        numStatistics,
      );
      const names = [...model.parameters, ...model.statistics].map((spec) => spec.name);
      assert.equal(new Set(names).size, names.length);
    });
  }

  it('have two auxiliary heads in googlenet, which make 13,378,280 parameters in all, as in the published file', () => {
    const { parameters } = createModel('googlenet', [224, 224, 3], 1000);
    assert.equal(
      parameters.reduce((sum, { shape }) => sum + numElementsOf(shape), 0),
      13_378_280,
    );
    const layers = parameters.filter(({ isAuxiliary }) => isAuxiliary).map(({ name }) => name.split('/')[0]);
    assert.deepEqual([...new Set(layers)], ['loss1', 'loss2']);
  });

  it("have Caffe's shapes and multipliers in caffenet", () => {
    const { parameters } = createModel('caffenet', [227, 227, 3], 1000);
    const shapes = Object.fromEntries(parameters.map(({ name, shape }) => [name, shape.join('×')]));
    assert.equal(shapes['conv1.weight'], '11×11×3×96');
    assert.equal(shapes['conv2.weight'], '5×5×48×256');
    assert.equal(shapes['fc6.weight'], '9216×4096');
    const [weight, bias] = parameters;
    assert.deepEqual(
      [weight.rateMultiplier, weight.decayMultiplier, bias.rateMultiplier, bias.decayMultiplier],
      [1, 1, 2, 0],
    );
    const biases = parameters.filter(({ name }) => name.endsWith('.bias')).map(({ filler }) => filler);
    assert.deepEqual(
      biases.map((filler) => (filler.type === 'constant' ? filler.value : NaN)),
      [0, 1, 0, 1, 1, 1, 1, 0],
    );
  });

  it('refuse images that are too small for their layers', () => {
    for (const name of MODEL_NAMES.filter((model) => !model.startsWith('resnet'))) {
      assert.throws(() => createModel(name, [9, 9, 3], 10), /^UsageError: model: /);
    }
  });
});

describe('a reference model on small images', () => {
  let backend: Backend;
  before(async () => {
    backend = await openBackend('wasm');
  });

  // Sides that leave something of every layer; one step of each takes a second or two.
  for (const { name, side } of [
    { name: 'caffenet', side: 67 },
    { name: 'alexnet', side: 67 },
    { name: 'googlenet', side: 96 },
    { name: 'resnet-18', side: 32 },
    { name: 'resnet-50', side: 32 },
  ] as const satisfies { name: ModelName; side: number }[]) {
    it(`gives logits and a gradient for each parameter: ${name}`, () => {
      const { tf } = backend;
      const model = createModel(name, [side, side, 3], 7);
      const state = initialState(model, DEFAULT_SOLVER, 1);
      const numBefore = tf.memory().numTensors;
      const tensors = new Map([...state.weights].map(([key, { data, shape }]) => [key, tf.tensor(data, [...shape])]));
      const images = tf.randomNormal<typeof tf.Rank.R4>([2, side, side, 3], 0, 60, 'float32', 1);
      const targets = tf.tensor2d([
        [0, 1, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 1, 0],
      ]);
      const statistics = new Map<string, Tensor>();
      const auxiliary: AuxiliaryLogits[] = [];
      const lossOf = (...values: Tensor[]): Tensor => {
        const weights = new Map([...tensors, ...model.parameters.map((spec, i) => [spec.name, values[i]] as const)]);
        const training = { dropoutKey: 1, statistics, auxiliary };
        const main = model.logits({ tf, tensors: weights, training }, images);
        assert.deepEqual(main.shape, [2, 7]);
        return [main, ...auxiliary.map(({ logits }) => logits)].reduce<Tensor>(
          (sum, logits) => tf.add(sum, tf.losses.softmaxCrossEntropy(targets, logits)),
          tf.scalar(0),
        );
      };
      tf.tidy(() => {
        const { value, grads } = tf.valueAndGrads(lossOf)(model.parameters.map((spec) => tensors.get(spec.name)!));
        assert.ok(Number.isFinite(value.dataSync()[0]));
        grads.forEach((gradient, i) => {
          const spec = model.parameters[i];
          assert.deepEqual(gradient.shape, spec.shape);
          const largest = tf.max(tf.abs(gradient)).dataSync()[0];
          assert.ok(largest > 0 && Number.isFinite(largest), `gradient of ${spec.name}: ${largest}`);
        });
      });
      assert.equal(auxiliary.length, name === 'googlenet' ? 2 : 0);
      assert.deepEqual([...statistics.keys()].sort(), model.statistics.map((spec) => spec.name).sort());
      tf.dispose([...statistics.values(), ...tensors.values(), images, targets]);
      assert.equal(tf.memory().numTensors, numBefore);
    });
  }
});

// Its shortcuts are convolutions of 1×1 in steps of two, which tfjs' wasm kernel has wrong for larger filters and padding 'same'.
it('ResNet-18 gives the same logits on wasm as on cpu', async () => {
  const model = createModel('resnet-18', [32, 32, 3], 7);
  const { weights } = initialState(model, DEFAULT_SOLVER, 1);
  const pixels = Float32Array.from({ length: 32 * 32 * 3 }, (_, i) => 60 * Math.sin(i * i));
  const logitsOn = async (name: 'wasm' | 'cpu'): Promise<Float32Array> => {
    const { tf } = await openBackend(name);
    return tf.tidy(() => {
      const tensors = new Map([...weights].map(([key, { data, shape }]) => [key, tf.tensor(data, [...shape])]));
      return model.logits({ tf, tensors }, tf.tensor4d(pixels, [1, 32, 32, 3])).dataSync<'float32'>();
    });
  };
  const [expected, actual] = [await logitsOn('cpu'), await logitsOn('wasm')];
  const scale = Math.max(...expected.map(Math.abs));
  assert.ok(scale > 0);
  actual.forEach((logit, i) => assert.ok(Math.abs(logit - expected[i]) <= 1e-4 * scale, `${i}: ${logit}`));
});
