import type { Tensor4D } from '@tensorflow/tfjs-core';
import { plainLayer, type LayerBuilder } from './layer.js';

/** Number of neighbouring channels, itself included. */
const SIZE = 5;
const ALPHA = 1e-4;
const BETA = 0.75;

/** Local response normalisation across channels, with the numbers that all of Caffe's models have: `x / (1 + α/n · Σ x²)^β`. */
export const localResponseNormalization: LayerBuilder = (inputShape) =>
  plainLayer(inputShape, ({ tf }, x) =>
    // tfjs does not divide α by the size.
    tf.localResponseNormalization(x as Tensor4D, (SIZE - 1) / 2, 1, ALPHA / SIZE, BETA),
  );
