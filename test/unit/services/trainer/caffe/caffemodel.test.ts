import assert from 'node:assert/strict';
import { MillraceError } from '../../../../../lib/core/errors.js';
import { mix32 } from '../../../../../lib/core/keyed-hash.js';
import { openBackend, type Backend } from '../../../../../services/trainer/backend/backend.js';
import { decodeCaffemodel, type CaffeLayer } from '../../../../../services/trainer/caffe/caffemodel.js';
import { weightsOf } from '../../../../../services/trainer/caffe/caffe-weights.js';
import { createModel } from '../../../../../services/trainer/models/catalog.js';
import { encodeCaffemodel, noiseLayers } from '../../../../fixtures/caffemodel.js';
import {
  plainConvolution,
  plainDense,
  plainLocalResponse,
  plainPooling,
  plainRelu,
  type PlainConvolution,
  type Planes,
} from '../models/plain-layers.js';

const SIDE = 67;
const NUM_CLASSES = 20;

/** Logits by the layers of Caffe's own train_val.prototxt, in plain arithmetic and Caffe's order of axes. */
function plainLogits(kind: 'caffenet' | 'alexnet', layers: readonly CaffeLayer[], image: Planes): Float64Array {
  const blobs = (name: string) => layers.find((layer) => layer.name === name)!.blobs.map(({ data }) => data);
  const convolve = (x: Planes, name: string, options: PlainConvolution): Planes => {
    const [weight, bias] = blobs(name);
    return plainRelu(plainConvolution(x, weight, bias, options));
  };
  const dense = (x: Planes, name: string): Planes => {
    const [weight, bias] = blobs(name);
    return plainDense(x, weight, bias);
  };
  const pool = (x: Planes): Planes => plainPooling(x, 'max', 3, 2);
  const normAndPool = (x: Planes): Planes =>
    kind === 'alexnet' ? pool(plainLocalResponse(x)) : plainLocalResponse(pool(x));
  let x = normAndPool(convolve(image, 'conv1', { size: 11, stride: 4 }));
  x = normAndPool(convolve(x, 'conv2', { size: 5, pad: 2, groups: 2 }));
  x = convolve(x, 'conv3', { size: 3, pad: 1 });
  x = convolve(x, 'conv4', { size: 3, pad: 1, groups: 2 });
  x = pool(convolve(x, 'conv5', { size: 3, pad: 1, groups: 2 }));
  x = plainRelu(dense(x, 'fc6'));
  x = plainRelu(dense(x, 'fc7'));
  return dense(x, 'fc8').data;
}

describe('a caffemodel', () => {
  let backend: Backend;
  before(async () => {
    backend = await openBackend('wasm');
  });

  for (const { kind, name } of [
    { kind: 'v1', name: 'alexnet' },
    { kind: 'v2', name: 'caffenet' },
  ] as const) {
    it(`of ${kind} layers gives the logits that plain arithmetic with its weights gives: ${name}`, () => {
      const { tf } = backend;
      const model = createModel(name, [SIDE, SIDE, 3], NUM_CLASSES);
      const layers = noiseLayers(model);
      const weights = weightsOf(model, decodeCaffemodel(encodeCaffemodel(layers, kind), 'x'), 'x');
      const image: Planes = {
        channels: 3,
        height: SIDE,
        width: SIDE,
        data: Float64Array.from({ length: 3 * SIDE * SIDE }, (_, i) => (mix32(i) >>> 24) - 110),
      };
      const expected = plainLogits(name, layers, image);
      const found = tf.tidy(() => {
        const planes = tf.tensor4d(Float32Array.from(image.data), [1, 3, SIDE, SIDE]);
        const tensors = new Map([...weights].map(([key, { shape, data }]) => [key, tf.tensor(data, [...shape])]));
        return model.logits({ tf, tensors }, tf.transpose(planes, [0, 2, 3, 1])).dataSync();
      });
      const largest = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
      assert.ok(largest > 1, 'the logits say nothing');
      expected.forEach((value, i) => {
        assert.ok(Math.abs(found[i] - value) < 1e-4 * largest, `logit ${i}: ${found[i]} for ${value}`);
      });
    });
  }

  const small = createModel('small-convnet', [16, 16, 3], 10);

  it('reads back as what was written, whichever kind its layers are of', () => {
    const layers = noiseLayers(small);
    assert.deepEqual(decodeCaffemodel(encodeCaffemodel(layers, 'v2'), 'x'), layers);
    const old = decodeCaffemodel(encodeCaffemodel(layers, 'v1'), 'x');
    assert.deepEqual(
      old.map(({ name }) => name),
      layers.map(({ name }) => name),
    );
    assert.deepEqual(
      old.at(-1)!.blobs.map(({ shape }) => shape),
      [
        [1, 1, 10, 64],
        [1, 1, 1, 10],
      ],
    );
  });

  it('may lack the auxiliary heads, and have layers that the model has not', () => {
    const model = createModel('googlenet', [96, 96, 3], 10);
    const layers = noiseLayers(model).filter(({ name }) => !name.startsWith('loss1') && !name.startsWith('loss2'));
    const extra = { name: 'else', blobs: [{ shape: [1], data: Float32Array.of(1) }] };
    const weights = weightsOf(model, [...layers, extra], 'x');
    assert.equal(weights.size, model.parameters.filter(({ isAuxiliary }) => !isAuxiliary).length);
  });

  const isVerification = (message: RegExp) => (error: unknown) => {
    assert.ok(error instanceof MillraceError && error.code === 'ERR_VERIFICATION');
    assert.match(error.message, message);
    return true;
  };

  it('is refused when it lacks a layer or has it with another shape, with both shapes named', () => {
    const layers = noiseLayers(small);
    assert.throws(
      () => weightsOf(small, layers.slice(1), 'x.caffemodel'),
      isVerification(/^x.caffemodel does not fit .*conv1.weight expected a blob of shape \[16, 3, 5, 5\], got none/),
    );
    const larger = noiseLayers(createModel('small-convnet', [16, 16, 3], 11));
    assert.throws(
      () => weightsOf(small, larger, 'x'),
      isVerification(/fc.weight expected a blob of shape \[10, 64\], got \[11, 64\]/),
    );
  });

  it('is refused where it is cut, and when it is something else', () => {
    const whole = encodeCaffemodel(noiseLayers(small), 'v2');
    for (const length of [0, 5, 100, whole.length >> 1, whole.length - 1]) {
      assert.throws(() => decodeCaffemodel(whole.subarray(0, length), 'cut'), isVerification(/^cut is not a whole/));
    }
    assert.throws(() => decodeCaffemodel(Buffer.from('name: "CaffeNet"'), 'text'), isVerification(/^text is not/));
  });
});
