import type { Tensor4D } from '@tensorflow/tfjs-core';
import { UsageError } from '../../../lib/core/errors.js';
import { convolution, convolutionParameters, dense, denseParameters } from './layers.js';
import type { ImageShape, Model } from './model.js';

/** Side that larger inputs are averaged down towards, so that a step takes much the same time whatever the input. */
const WORKING_SIDE = 56;
/** Least side that four halvings leave something of. */
const MIN_SIDE = 16;
/** Brings mean-subtracted pixels, about [-130, 255], near unit variance, which learning rates of 0.01 to 0.03 are made for. */
const PIXEL_SCALE = 1 / 64;
const NUM_FEATURES = 64;

/**
 * The net of a first run: three times convolution, ReLU and max pooling, the first one in steps of two pixels, then the average
 * over the image and one dense layer. 25,000 parameters; it learns ten simple classes in 300 steps, ten seconds on one core.
 * Throws UsageError for an input that is not square or under 16 pixels.
 */
export function createSmallConvnet(inputShape: ImageShape, numClasses: number): Model {
  const [height, width, numChannels] = inputShape;
  if (height !== width || height < MIN_SIDE) {
    throw new UsageError(
      'model',
      `model: small-convnet expects square images of ${MIN_SIDE} pixels or more, got ${width}×${height}`,
    );
  }
  const poolSize = Math.max(1, Math.round(height / WORKING_SIDE));
  return {
    name: 'small-convnet',
    inputShape,
    numClasses,
    parameters: [
      ...convolutionParameters('conv1', 5, numChannels, 16),
      ...convolutionParameters('conv2', 3, 16, 32),
      ...convolutionParameters('conv3', 3, 32, NUM_FEATURES),
      ...denseParameters('fc', NUM_FEATURES, numClasses, { type: 'gaussian', std: 0.01 }),
    ],
    logits(tf, parameters, images) {
      const small = poolSize === 1 ? images : tf.avgPool(images, poolSize, poolSize, 'valid');
      let x: Tensor4D = tf.mul(small, PIXEL_SCALE);
      for (const [layer, stride] of [
        ['conv1', 2],
        ['conv2', 1],
        ['conv3', 1],
      ] as const) {
        x = tf.maxPool(tf.relu(convolution(tf, parameters, layer, x, stride)), 2, 2, 'valid');
      }
      return dense(tf, parameters, 'fc', tf.mean(x, [1, 2]));
    },
  };
}
