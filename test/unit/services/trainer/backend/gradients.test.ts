import assert from 'node:assert/strict';
import type { Rank, Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import { openBackend } from '../../../../../services/trainer/backend/backend.js';
import type { Tf } from '../../../../../services/trainer/backend/tf.js';

type Pad = 'same' | 'valid' | number;

interface Window {
  readonly size: number;
  readonly stride: number;
  readonly pad: Pad;
}

/** Of the first row or column: how far outside the image the first window begins. */
function padBefore({ size, stride, pad }: Window, length: number): number {
  if (pad === 'valid') return 0;
  if (pad !== 'same') return pad;
  return Math.floor(Math.max(0, (Math.ceil(length / stride) - 1) * stride + size - length) / 2);
}

const NUM_CHANNELS = 3;
const NUM_OUTPUTS = 4;

/** Gradients of a convolution by the definition: every product of the forward sum hands its factor on. */
function convolutionGradients(x: Tensor4D, filter: Tensor4D, dy: Tensor4D, window: Window) {
  const [n, h, w] = x.shape;
  const [, outH, outW] = dy.shape;
  const [xs, filters, dys] = [x.dataSync(), filter.dataSync(), dy.dataSync()];
  const dx = new Float64Array(xs.length);
  const dFilter = new Float64Array(filters.length);
  const [top, left] = [padBefore(window, h), padBefore(window, w)];
  for (let i = 0; i < n * outH * outW * window.size ** 2; i++) {
    const fx = i % window.size;
    const fy = Math.floor(i / window.size) % window.size;
    const at = Math.floor(i / window.size ** 2);
    const xAt = (at % outW) * window.stride - left + fx;
    const yAt = (Math.floor(at / outW) % outH) * window.stride - top + fy;
    if (xAt < 0 || xAt >= w || yAt < 0 || yAt >= h) continue;
    const pixel = (Math.floor(at / outW / outH) * h + yAt) * w + xAt;
    for (let c = 0; c < NUM_CHANNELS; c++) {
      for (let k = 0; k < NUM_OUTPUTS; k++) {
        const weight = ((fy * window.size + fx) * NUM_CHANNELS + c) * NUM_OUTPUTS + k;
        const gradient = dys[at * NUM_OUTPUTS + k];
        dx[pixel * NUM_CHANNELS + c] += filters[weight] * gradient;
        dFilter[weight] += xs[pixel * NUM_CHANNELS + c] * gradient;
      }
    }
  }
  return { dx, dFilter };
}

/** Gradient of max pooling by the definition: the first greatest element of a window gets all. */
function maxPoolGradient(x: Tensor4D, dy: Tensor4D, window: Window): Float64Array {
  const [n, h, w] = x.shape;
  const [, outH, outW] = dy.shape;
  const [xs, dys] = [x.dataSync(), dy.dataSync()];
  const dx = new Float64Array(xs.length);
  const [top, left] = [padBefore(window, h), padBefore(window, w)];
  for (let at = 0; at < n * outH * outW; at++) {
    for (let c = 0; c < NUM_CHANNELS; c++) {
      let best = -1;
      for (let i = 0; i < window.size ** 2; i++) {
        const xAt = (at % outW) * window.stride - left + (i % window.size);
        const yAt = (Math.floor(at / outW) % outH) * window.stride - top + Math.floor(i / window.size);
        if (xAt < 0 || xAt >= w || yAt < 0 || yAt >= h) continue;
        const element = ((Math.floor(at / outW / outH) * h + yAt) * w + xAt) * NUM_CHANNELS + c;
        if (best < 0 || xs[element] > xs[best]) best = element;
      }
      dx[best] += dys[at * NUM_CHANNELS + c];
    }
  }
  return dx;
}

function assertClose(actual: Tensor, expected: ArrayLike<number>): void {
  const values = actual.dataSync();
  assert.equal(values.length, expected.length);
  const scale = Math.max(...Array.from(expected, Math.abs));
  values.forEach((value, i) => {
    assert.ok(Math.abs(value - expected[i]) <= 1e-5 * scale, `element ${i}: expected ${expected[i]}, got ${value}`);
  });
}

const WINDOWS: readonly Window[] = [
  { size: 3, stride: 1, pad: 'same' },
  { size: 3, stride: 1, pad: 'valid' },
  { size: 5, stride: 2, pad: 'same' },
  { size: 3, stride: 2, pad: 'valid' },
  { size: 2, stride: 2, pad: 'valid' },
  { size: 2, stride: 1, pad: 'same' },
  { size: 3, stride: 2, pad: 1 },
  { size: 4, stride: 3, pad: 1 },
  { size: 1, stride: 1, pad: 1 },
];

const SIZES = [
  [8, 8],
  [7, 10],
] as const;

for (const name of ['wasm', 'cpu'] as const) {
  describe(`gradients on the ${name} backend`, () => {
    let tf: Tf;
    before(async () => {
      ({ tf } = await openBackend(name));
    });

    const noise = (shape: Tensor4D['shape'], seed: number, mean = 0): Tensor4D =>
      tf.randomNormal<Rank.R4>(shape, mean, 1, 'float32', seed);

    for (const window of WINDOWS) {
      const { size, stride, pad } = window;
      const title = `${size}×${size}, stride ${stride}, pad ${pad}`;

      it(`of a convolution ${title} are those of the definition`, () => {
        for (const [height, width] of SIZES) {
          tf.tidy(() => {
            const x = noise([2, height, width, NUM_CHANNELS], 1);
            const filter = noise([size, size, NUM_CHANNELS, NUM_OUTPUTS], 2);
            const convolve = (image: Tensor, weight: Tensor): Tensor4D =>
              tf.conv2d(image as Tensor4D, weight as Tensor4D, stride, pad);
            const dy = noise(convolve(x, filter).shape, 3);
            const [dx, dFilter] = tf.grads(convolve)([x, filter], dy);
            const expected = convolutionGradients(x, filter, dy, window);
            assertClose(dx, expected.dx);
            assertClose(dFilter, expected.dFilter);
          });
        }
      });

      // A window that lies in the padding alone has no greatest element.
      if (pad === size) continue;
      it(`of max pooling ${title} are those of the definition, also where all is negative`, () => {
        for (const [height, width] of SIZES) {
          for (const mean of [0, -10]) {
            tf.tidy(() => {
              const x = noise([2, height, width, NUM_CHANNELS], 4, mean);
              const pool = (image: Tensor): Tensor4D => tf.maxPool(image as Tensor4D, size, stride, pad);
              const dy = noise(pool(x).shape, 5);
              assertClose(tf.grad(pool)(x, dy), maxPoolGradient(x, dy, window));
            });
          }
        }
      });
    }

    it('of max pooling after a ReLU reach only what was positive', () => {
      tf.tidy(() => {
        const x = tf.tensor4d([-1, -2, -3, -4, 1, 2, -3, 0.5], [2, 2, 2, 1]);
        const gradient = tf.grad((image: Tensor) => tf.maxPool(tf.relu(image) as Tensor4D, 2, 2, 'valid'))(x);
        assert.deepEqual([...gradient.dataSync()], [0, 0, 0, 0, 0, 1, 0, 0]);
      });
    });

    it('leave no tensor behind', () => {
      const { numTensors } = tf.memory();
      tf.tidy(() => {
        const f = (image: Tensor, weight: Tensor): Tensor =>
          tf.maxPool(tf.conv2d(image as Tensor4D, weight as Tensor4D, 1, 'same'), 2, 2, 'valid');
        tf.grads(f)([tf.ones([1, 4, 4, 2]), tf.ones([3, 3, 2, 2])]);
      });
      assert.equal(tf.memory().numTensors, numTensors);
    });
  });
}
