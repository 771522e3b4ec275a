import assert from 'node:assert/strict';
import type { Tensor, Tensor1D, Tensor4D } from '@tensorflow/tfjs-core';
import { messageOf } from '../../../../../lib/core/errors.js';
import { mix32 } from '../../../../../lib/core/keyed-hash.js';
import { openBackend, type BackendName } from '../../../../../services/trainer/backend/backend.js';
import type { Tf } from '../../../../../services/trainer/backend/tf.js';

/** An operation of the convnets, with the shapes that it takes. */
interface Operation {
  readonly title: string;
  readonly shapes: readonly (readonly number[])[];
  /** Mean of the made-up inputs; -1.5 makes all of them negative. */
  readonly mean?: number;
  readonly run: (tf: Tf, ...inputs: Tensor[]) => Tensor;
}

const IMAGES = [2, 6, 7, 8] as const;

const WINDOWS: readonly { size: number; stride: number; pad: 'same' | 'valid' | number; ceil?: boolean }[] = [
  { size: 3, stride: 1, pad: 'same' },
  { size: 3, stride: 2, pad: 'same' },
  { size: 3, stride: 2, pad: 'valid' },
  { size: 3, stride: 2, pad: 1 },
  { size: 2, stride: 2, pad: 0, ceil: true },
  { size: 3, stride: 2, pad: 0, ceil: true },
  { size: 3, stride: 2, pad: 1, ceil: true },
  { size: 5, stride: 4, pad: 'same' },
];

const pooling: readonly Operation[] = WINDOWS.flatMap(({ size, stride, pad, ceil }) => {
  const title = `${size}×${size}, stride ${stride}, pad ${pad}${ceil === true ? ', rounded up' : ''}`;
  const mode = ceil === true ? 'ceil' : undefined;
  return [
    {
      title: `max pooling ${title}`,
      shapes: [IMAGES],
      mean: -1.5,
      run: (tf: Tf, x: Tensor) => tf.maxPool(x as Tensor4D, size, stride, pad, mode),
    },
    {
      title: `average pooling ${title}`,
      shapes: [IMAGES],
      run: (tf: Tf, x: Tensor) => tf.avgPool(x as Tensor4D, size, stride, pad, mode),
    },
  ];
});

const convolutions: readonly Operation[] = ([1, 2, 4] as const).flatMap((stride) =>
  (
    [
      'same',
      'valid',
      1,
      [
        [0, 0],
        [0, 1],
        [1, 2],
        [0, 0],
      ],
    ] as const
  ).map((pad) => ({
    title: `convolution 5×5, stride ${stride}, pad ${JSON.stringify(pad)}`,
    shapes: [IMAGES, [5, 5, 8, 3]],
    run: (tf: Tf, x: Tensor, filter: Tensor) =>
      tf.conv2d(
        x as Tensor4D,
        filter as Tensor4D,
        stride,
        typeof pad === 'object' ? (pad.map((p) => [...p]) as never) : pad,
      ),
  })),
);

const layers: readonly Operation[] = [
  {
    title: 'convolution in two groups',
    shapes: [IMAGES, [3, 3, 4, 6]],
    run(tf, x, filter) {
      const filters = tf.split(filter, 2, 3);
      const groups = tf
        .split(x, 2, 3)
        .map((group, i) => tf.conv2d(group as Tensor4D, filters[i] as Tensor4D, 1, 'same'));
      return tf.concat(groups, 3);
    },
  },
  ...(['valid', 'same', 0] as const).map((pad) => ({
    title: `convolution 1×1, stride 2, pad ${pad}`,
    shapes: [IMAGES, [1, 1, 8, 4]],
    run: (tf: Tf, x: Tensor, filter: Tensor) => tf.conv2d(x as Tensor4D, filter as Tensor4D, 2, pad),
  })),
  { title: 'ReLU', shapes: [IMAGES], run: (tf, x) => tf.relu(x) },
  {
    title: 'local response normalisation',
    shapes: [IMAGES],
    run: (tf, x) => tf.localResponseNormalization(x as Tensor4D, 2, 1, 0.1, 0.75),
  },
  {
    title: 'batch normalisation by the statistics of the batch',
    shapes: [IMAGES, [8], [8]],
    run(tf, x, offset, scale) {
      const { mean, variance } = tf.moments(x, [0, 1, 2]);
      return tf.batchNorm(
        x as Tensor4D,
        mean as Tensor1D,
        variance as Tensor1D,
        offset as Tensor1D,
        scale as Tensor1D,
        1e-5,
      );
    },
  },
  { title: 'addition of a bias', shapes: [IMAGES, [8]], run: (tf, x, bias) => tf.add(x, bias) },
  {
    title: 'dropout by a mask',
    shapes: [IMAGES],
    run: (tf, x) =>
      tf.mul(
        x,
        tf.tensor(
          values(IMAGES, 9, 0).map((value) => (value > 0 ? 2 : 0)),
          [...IMAGES],
        ),
      ),
  },
  { title: 'concatenation', shapes: [IMAGES, IMAGES], run: (tf, a, b) => tf.concat([a, b], 3) },
  {
    title: 'a fully connected layer',
    shapes: [
      [5, 7],
      [7, 4],
    ],
    run: (tf, x, weight) => tf.matMul(x, weight),
  },
  { title: 'the mean over an image', shapes: [IMAGES], run: (tf, x) => tf.mean(x, [1, 2]) },
  {
    title: 'softmax cross-entropy with padding',
    shapes: [[4, 10]],
    run: (tf, logits) =>
      tf.losses.softmaxCrossEntropy(
        tf.oneHot(tf.tensor1d([1, 2, 9, 0], 'int32'), 10),
        logits,
        tf.tensor1d([1, 1, 0, 1]),
      ),
  },
  {
    title: 'softmax cross-entropy of smoothed labels',
    shapes: [[4, 10]],
    run: (tf, logits) =>
      tf.losses.softmaxCrossEntropy(tf.oneHot(tf.tensor1d([1, 2, 9, 0], 'int32'), 10), logits, undefined, 0.1),
  },
];

const OPERATIONS = [...convolutions, ...pooling, ...layers];

/** Uniform in `mean ± 1`, the same everywhere. */
function values(shape: readonly number[], seed: number, mean: number): Float32Array {
  const size = shape.reduce((product, length) => product * length, 1);
  return Float32Array.from({ length: size }, (_, i) => mean + (mix32(seed * 1_000_003 + i) >>> 0) / 2 ** 31 - 1);
}

/** The result of an operation, and its gradients with respect to each input for a made-up gradient of the result. */
async function resultAndGradients(tf: Tf, { shapes, mean = 0, run }: Operation): Promise<Float32Array[]> {
  const tensors = tf.tidy(() => {
    const inputs = shapes.map((shape, i) => tf.tensor(values(shape, i + 1, mean), [...shape]));
    const result = run(tf, ...inputs);
    const dy = tf.tensor(values(result.shape, 7, 0), result.shape);
    return [result, ...tf.grads((...x: Tensor[]) => run(tf, ...x))(inputs, dy)];
  });
  const data = await Promise.all(tensors.map((tensor) => tensor.data<'float32'>()));
  tf.dispose(tensors);
  return data.map((array) => Float32Array.from(array));
}

/** Sum of the result times dy, whose slope the gradients are. */
function objective(tf: Tf, { run }: Operation, inputs: readonly Float32Array[], shapes: Operation['shapes']): number {
  return tf.tidy(() => {
    const result = run(tf, ...inputs.map((input, i) => tf.tensor(input, [...shapes[i]])));
    const dy = values(result.shape, 7, 0);
    return result.dataSync<'float32'>().reduce((sum, value, i) => sum + value * dy[i], 0);
  });
}

function assertClose(actual: Float32Array, expected: Float32Array, what: string): void {
  assert.equal(actual.length, expected.length, `${what}: number of values`);
  const scale = Math.max(...expected.map(Math.abs));
  actual.forEach((value, i) => {
    const isClose = Math.abs(value - expected[i]) <= 1e-3 * scale;
    assert.ok(isClose, `${what}, value ${i}: expected ${expected[i]}, got ${value}`);
  });
}

describe('operations on the cpu backend, which others are compared with', () => {
  let tf: Tf;
  before(async () => {
    ({ tf } = await openBackend('cpu'));
  });

  for (const operation of OPERATIONS) {
    it(`has the gradients of ${operation.title} that finite differences give`, async () => {
      const { shapes, mean = 0 } = operation;
      const [, ...gradients] = await resultAndGradients(tf, operation);
      gradients.forEach((gradient, which) => {
        const inputs = shapes.map((shape, i) => values(shape, i + 1, mean));
        // A step along the gradient changes the objective by its squared length; small, so that no maximum changes hands.
        const length2 = gradient.reduce((sum, value) => sum + value * value, 0);
        const size = 2e-4 / Math.max(...gradient.map(Math.abs));
        const stepped = (sign: number): number => {
          const moved = inputs.map((input, i) =>
            i === which ? input.map((v, j) => v + sign * size * gradient[j]) : input,
          );
          return objective(tf, operation, moved, shapes);
        };
        const slope = (stepped(1) - stepped(-1)) / (2 * size);
        assert.ok(Math.abs(slope - length2) <= 0.02 * length2, `input ${which}: expected ${length2}, got ${slope}`);
      });
    });
  }
});

/** Why a backend cannot be tested here; undefined when it can. Wasm comes with the package: for it there is no excuse. */
async function whyNotHere(name: BackendName): Promise<string | undefined> {
  try {
    await openBackend(name, { allowSoftwareGpu: true });
    return undefined;
  } catch (error) {
    if (name === 'wasm') throw error;
    return messageOf(error);
  }
}

for (const name of ['wasm', 'webgpu', 'tensorflow', 'tensorflow-gpu'] as const) {
  const excuse = await whyNotHere(name);
  if (excuse !== undefined) {
    it.skip(`operations on the ${name} backend are not tested here: ${excuse}`);
    continue;
  }

  describe(`operations on the ${name} backend`, () => {
    let tf: Tf;
    const expected = new Map<Operation, Float32Array[]>();
    before(async () => {
      const reference = await openBackend('cpu');
      for (const operation of OPERATIONS) expected.set(operation, await resultAndGradients(reference.tf, operation));
      ({ tf } = await openBackend(name, { allowSoftwareGpu: true }));
    });

    for (const operation of OPERATIONS) {
      it(`give the result and gradients of ${operation.title} that cpu gives`, async () => {
        const actual = await resultAndGradients(tf, operation);
        const wanted = expected.get(operation)!;
        actual.forEach((array, i) => assertClose(array, wanted[i], i === 0 ? 'result' : `gradient ${i}`));
      });
    }

    it('hand NaN on through a ReLU, whatever its sign', async () => {
      const bits = new Uint32Array(24).map((_, i) => (i % 2 === 0 ? 0x7fc0_0000 : 0xffc0_0000));
      const result = tf.tidy(() => tf.relu(tf.tensor1d(new Float32Array(bits.buffer))));
      assert.ok((await result.data()).every(Number.isNaN));
      result.dispose();
    });
  });
}
