import assert from 'node:assert/strict';
import type { Rank, Tensor, Tensor1D, Tensor4D } from '@tensorflow/tfjs-core';
import { mix32 } from '../../../../../lib/core/keyed-hash.js';
import { openBackend } from '../../../../../services/trainer/backend/backend.js';
import type { Tf } from '../../../../../services/trainer/backend/tf.js';
import { batchNormalization } from '../../../../../services/trainer/models/layers/batch-norm.js';
import { convolution, MSRA } from '../../../../../services/trainer/models/layers/convolution.js';
import { flatten } from '../../../../../services/trainer/models/layers/dense.js';
import { dropout, dropoutMask } from '../../../../../services/trainer/models/layers/dropout.js';
import type { LayerBuilder } from '../../../../../services/trainer/models/layers/layer.js';
import { localResponseNormalization } from '../../../../../services/trainer/models/layers/local-response.js';
import type { Pass } from '../../../../../services/trainer/models/layers/pass.js';
import { averagePooling, maxPooling } from '../../../../../services/trainer/models/layers/pooling.js';
import { numElementsOf } from '../../../../../services/trainer/models/parameter-spec.js';
import { plainConvolution, plainLocalResponse, plainPooling, type Planes } from './plain-layers.js';

/** Noise of about [-2, 2] that is the same at every run. */
function noise(length: number, salt: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => (mix32(i + salt * 1_000_003) / 0x8000_0000 - 1) * 2);
}

const training = (dropoutKey = 1) => ({ dropoutKey, statistics: new Map<string, Tensor>(), auxiliary: [] });

describe('a layer', () => {
  let tf: Tf;
  before(async () => {
    ({ tf } = await openBackend('wasm'));
  });

  /** What a layer makes of one image of planes, back as planes; `weights` by name, in tfjs' order. */
  const applied = (build: LayerBuilder, x: Planes, weights: Record<string, Float32Array> = {}): Planes => {
    const { data, height, width, channels } = tf.tidy(() => {
      const layer = build([x.height, x.width, x.channels]);
      const tensors = new Map(
        layer.parameters.map(({ name, shape }) => [name, tf.tensor(weights[name], [...shape])] as const),
      );
      const planes = tf.tensor4d(Float32Array.from(x.data), [1, x.channels, x.height, x.width]);
      const y = layer.apply({ tf, tensors }, tf.transpose(planes, [0, 2, 3, 1])) as Tensor4D;
      assert.deepEqual(y.shape.slice(1), layer.outputShape);
      const [, height, width, channels] = y.shape;
      return { channels, height, width, data: tf.transpose(y, [0, 3, 1, 2]).dataSync<'float32'>() };
    });
    return { channels, height, width, data: Float64Array.from(data) };
  };
  const planesOf = (channels: number, height: number, width: number): Planes => ({
    channels,
    height,
    width,
    data: Float64Array.from(noise(channels * height * width, 1)),
  });
  const assertSame = (found: Planes, expected: Planes): void => {
    assert.deepEqual([found.channels, found.height, found.width], [expected.channels, expected.height, expected.width]);
    found.data.forEach((value, i) => {
      assert.ok(Math.abs(value - expected.data[i]) < 1e-4, `value ${i}: ${value} for ${expected.data[i]}`);
    });
  };

  for (const options of [
    { size: 3, numOutputs: 6 },
    { size: 5, numOutputs: 6, stride: 2, pad: 2 },
    { size: 3, numOutputs: 6, pad: 1, groups: 2 },
    { size: 11, numOutputs: 8, stride: 4 },
  ]) {
    it(`convolves as the definition says: ${JSON.stringify(options)}`, () => {
      const x = planesOf(4, 15, 17);
      const { size, numOutputs, groups = 1 } = options;
      const numInputs = x.channels / groups;
      const weight = noise(size * size * numInputs * numOutputs, 2);
      const bias = noise(numOutputs, 3);
      // [outputs][inputs][row][column] from tfjs' [row][column][input][output].
      const caffe = Float64Array.from(weight, (_, i) => {
        const column = i % size;
        const row = Math.floor(i / size) % size;
        const input = Math.floor(i / size ** 2) % numInputs;
        const output = Math.floor(i / size ** 2 / numInputs);
        return weight[((row * size + column) * numInputs + input) * numOutputs + output];
      });
      const build = convolution('c', { ...options, weight: MSRA, bias: 0 });
      const found = applied(build, x, { 'c.weight': weight, 'c.bias': bias });
      assertSame(found, plainConvolution(x, caffe, bias, options));
    });
  }

  for (const { size, stride, pad = 0, height, width } of [
    { size: 3, stride: 2, height: 12, width: 13 },
    { size: 3, stride: 2, height: 11, width: 14 },
    { size: 3, stride: 1, pad: 1, height: 6, width: 7 },
    { size: 3, stride: 2, pad: 1, height: 8, width: 7 },
    { size: 2, stride: 2, pad: 1, height: 5, width: 6 },
  ]) {
    it(`takes maxima of windows of ${size} by ${stride}, padded by ${pad}, over ${height}×${width} as Caffe does`, () => {
      const x = planesOf(3, height, width);
      assertSame(applied(maxPooling({ size, stride, pad }), x), plainPooling(x, 'max', size, stride, pad));
    });
  }

  it('takes means of windows, of those at the edge over what there is', () => {
    const x = planesOf(3, 14, 12);
    assertSame(applied(averagePooling({ size: 5, stride: 3 }), x), plainPooling(x, 'average', 5, 3));
  });

  it('normalises by neighbouring channels as Caffe does', () => {
    const x = planesOf(12, 3, 4);
    const large = { ...x, data: x.data.map((value) => value * 100) };
    assertSame(applied(localResponseNormalization, large), plainLocalResponse(large));
  });

  it('flattens plane by plane', () => {
    const x = planesOf(3, 2, 4);
    const y = tf.tidy(() => {
      const planes = tf.tensor4d(Float32Array.from(x.data), [1, 3, 2, 4]);
      return flatten([2, 4, 3])
        .apply({ tf, tensors: new Map() }, tf.transpose(planes, [0, 2, 3, 1]))
        .dataSync();
    });
    assert.deepEqual([...y], [...x.data]);
  });

  it('drops its share of the values in training, by key, layer and place, and keeps the sum', () => {
    const mask = dropoutMask(7, 0.7, 100_000);
    const numKept = mask.filter((value) => value > 0).length;
    // Six standard deviations of a binomial distribution.
    assert.ok(Math.abs(numKept - 30_000) < 6 * Math.sqrt(100_000 * 0.3 * 0.7), `${numKept} kept`);
    assert.ok(mask.every((value) => value === 0 || Math.abs(value - 1 / 0.3) < 1e-6));
    assert.deepEqual(dropoutMask(7, 0.7, 100_000), mask);
    const dropped = (name: string, pass: Partial<Pass>): number[] =>
      tf.tidy(() => {
        const layer = dropout(name, 0.5)([1000]);
        return [...layer.apply({ tf, tensors: new Map(), ...pass }, tf.ones([1, 1000])).dataSync()];
      });
    assert.deepEqual(dropped('a', {}), Array<number>(1000).fill(1));
    assert.deepEqual(dropped('a', { training: training(1) }), dropped('a', { training: training(1) }));
    assert.notDeepEqual(dropped('a', { training: training(1) }), dropped('a', { training: training(2) }));
    assert.notDeepEqual(dropped('a', { training: training(1) }), dropped('b', { training: training(1) }));
  });

  describe('of batch normalisation', () => {
    const shape = [3, 4, 5, 2] as const;
    const [N, C] = [3 * 4 * 5, 2];
    const layer = batchNormalization('bn')([4, 5, 2]);
    const x = noise(N * C, 1).map((value, i) => 3 * value + (i % 2));
    const weight = [1.5, -0.5];
    const bias = [0.25, 2];
    const byHand = { mean: [0, 0], variance: [0, 0] };
    x.forEach((value, i) => (byHand.mean[i % 2] += value / N));
    x.forEach((value, i) => (byHand.variance[i % 2] += (value - byHand.mean[i % 2]) ** 2 / N));

    const tensorsOf = (mean: number[], variance: number[]) =>
      new Map<string, Tensor>([
        ['bn.weight', tf.tensor1d(weight)],
        ['bn.bias', tf.tensor1d(bias)],
        ['bn.running_mean', tf.tensor1d(mean)],
        ['bn.running_var', tf.tensor1d(variance)],
      ]);
    const normalized = (mean: readonly number[], variance: readonly number[]): number[] =>
      Array.from(x, (value, i) => {
        const c = i % 2;
        return ((value - mean[c]) / Math.sqrt(variance[c] + 1e-5)) * weight[c] + bias[c];
      });
    const assertClose = (found: ArrayLike<number>, expected: readonly number[], tolerance = 1e-4): void =>
      expected.forEach((value, i) =>
        assert.ok(Math.abs(found[i] - value) < tolerance, `${i}: ${found[i]} for ${value}`),
      );

    it('goes by the batch in training, and lets its running statistics follow', () => {
      const pass = { tf, tensors: tensorsOf([1, 2], [3, 4]), training: training() };
      const y = tf.tidy(() => layer.apply(pass, tf.tensor4d(x, [...shape])).dataSync());
      assertClose(y, normalized(byHand.mean, byHand.variance));
      const { statistics } = pass.training;
      const follow = (before: number[], now: number[]): number[] => before.map((old, c) => 0.9 * old + 0.1 * now[c]);
      assertClose(statistics.get('bn.running_mean')!.dataSync(), follow([1, 2], byHand.mean));
      const unbiased = byHand.variance.map((variance) => (variance * N) / (N - 1));
      assertClose(statistics.get('bn.running_var')!.dataSync(), follow([3, 4], unbiased));
      tf.dispose([...statistics.values(), ...pass.tensors.values()]);
    });

    it('goes by its running statistics in inference', () => {
      const tensors = tensorsOf([1, 2], [3, 4]);
      const y = tf.tidy(() => layer.apply({ tf, tensors }, tf.tensor4d(x, [...shape])).dataSync());
      assertClose(y, normalized([1, 2], [3, 4]));
      tf.dispose([...tensors.values()]);
    });

    it('hands gradients on as the definition says, through mean and variance too', () => {
      const dy = noise(N * C, 5);
      const found = tf.tidy(() => {
        const tensors = tensorsOf([0, 0], [1, 1]);
        const loss = (...[image, factor, offset]: Tensor[]): Tensor => {
          const learnt = new Map([...tensors, ['bn.weight', factor] as const, ['bn.bias', offset] as const]);
          const pass = { tf, tensors: learnt, training: training() };
          const y = layer.apply(pass, image);
          tf.dispose([...pass.training.statistics.values()]);
          return tf.sum(tf.mul(y, tf.tensor4d(dy, [...shape])));
        };
        const inputs = [tf.tensor4d(x, [...shape]) as Tensor, tf.tensor1d(weight), tf.tensor1d(bias)];
        return tf
          .grads(loss as (...args: Tensor[]) => Tensor<Rank.R0>)(inputs as Tensor1D[])
          .map((gradient) => gradient.dataSync());
      });
      // Of y = γ·x̂ + β with x̂ = (x − μ)/σ: dx = γ/σ · (dy − mean(dy) − x̂ · mean(dy · x̂)).
      const hat = Array.from(x, (value, i) => (value - byHand.mean[i % 2]) / Math.sqrt(byHand.variance[i % 2] + 1e-5));
      const sums = { dy: [0, 0], dyHat: [0, 0] };
      dy.forEach((value, i) => {
        sums.dy[i % 2] += value;
        sums.dyHat[i % 2] += value * hat[i];
      });
      const dx = Array.from(dy, (value, i) => {
        const c = i % 2;
        const factor = weight[c] / Math.sqrt(byHand.variance[c] + 1e-5);
        return factor * (value - sums.dy[c] / N - (hat[i] * sums.dyHat[c]) / N);
      });
      assert.equal(numElementsOf(shape), dx.length);
      assertClose(found[0], dx);
      assertClose(found[1], sums.dyHat, 1e-3);
      assertClose(found[2], sums.dy, 1e-3);
    });
  });
});
