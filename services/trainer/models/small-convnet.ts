import { UsageError } from '../../../lib/core/errors.js';
import { convolution, MSRA } from './layers/convolution.js';
import { dense } from './layers/dense.js';
import { identity, relu, scale, sequence, type LayerBuilder } from './layers/layer.js';
import { averagePooling, globalAveragePooling, maxPooling } from './layers/pooling.js';
import { modelOf, type ImageShape, type Model } from './model.js';

/** Side that larger inputs are averaged down towards, so that a step takes much the same time whatever the input. */
const WORKING_SIDE = 56;
/** Side below which the first convolution looks at every pixel. */
const FINE_SIDE = 48;
/** Least side that four halvings leave something of. */
const MIN_SIDE = 16;
/** Brings mean-subtracted pixels, about [-130, 255], near unit variance, which learning rates of 0.01 to 0.03 are made for. */
const PIXEL_SCALE = 1 / 64;

/**
 * The net of a first run: three times convolution, ReLU and max pooling, the first one in steps of two pixels on all but the smallest images, then the average
 * over the image and one dense layer. 25,000 parameters; it learns ten simple classes in 300 steps, ten seconds on one core.
 * Throws UsageError for an input that is not square or under 16 pixels.
 */
export function createSmallConvnet(inputShape: ImageShape, numClasses: number): Model {
  const [height, width] = inputShape;
  if (height !== width || height < MIN_SIDE) {
    throw new UsageError(
      'model',
      `model: small-convnet expects square images of ${MIN_SIDE} pixels or more, got ${width}×${height}`,
    );
  }
  const poolSize = Math.max(1, Math.round(height / WORKING_SIDE));
  const network = sequence(
    poolSize === 1 ? identity : averagePooling({ size: poolSize, stride: poolSize, rounding: 'floor' }),
    scale(PIXEL_SCALE),
    block('conv1', 5, height < FINE_SIDE ? 1 : 2, 16),
    block('conv2', 3, 1, 32),
    block('conv3', 3, 1, 64),
    globalAveragePooling,
    dense('fc', numClasses, { weight: { type: 'gaussian', std: 0.01 }, bias: 0 }),
  );
  return modelOf('small-convnet', inputShape, numClasses, network);
}

function block(name: string, size: number, stride: number, numOutputs: number): LayerBuilder {
  return sequence(
    convolution(name, { size, stride, pad: 'same', numOutputs, weight: MSRA, bias: 0 }),
    relu,
    maxPooling({ size: 2, stride: 2, rounding: 'floor' }),
  );
}
