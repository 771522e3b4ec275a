import type { Rank, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { numElementsOf } from '../parameter-spec.js';
import { affineParameters, type AffineFillers } from './affine.js';
import { plainLayer, type LayerBuilder } from './layer.js';
import { tensorOf } from './pass.js';

/** `[features]` to `[numOutputs]`, fully connected. The weight is `[features, numOutputs]`. */
export function dense(name: string, numOutputs: number, fillers: AffineFillers): LayerBuilder {
  return ([numInputs]) => ({
    outputShape: [numOutputs],
    parameters: affineParameters(name, [numInputs, numOutputs], fillers),
    statistics: [],
    apply(pass, x) {
      const y = pass.tf.matMul<Tensor2D>(x, tensorOf<Rank.R2>(pass, `${name}.weight`));
      return fillers.bias === 'none' ? y : pass.tf.add(y, tensorOf(pass, `${name}.bias`));
    },
  });
}

/**
 * `[H, W, C]` to `[C · H · W]`, plane by plane as Caffe flattens: a fully connected layer behind it has the inputs in the order of
 * a caffemodel's.
 */
export const flatten: LayerBuilder = (inputShape) => {
  const numFeatures = numElementsOf(inputShape);
  return plainLayer([numFeatures], ({ tf }, x) =>
    tf.reshape(tf.transpose(x as Tensor4D, [0, 3, 1, 2]), [-1, numFeatures]),
  );
};
