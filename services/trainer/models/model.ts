/** A model as data and one function. */
import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import type { LayerBuilder } from './layers/layer.js';
import type { Pass } from './layers/pass.js';
import { numElementsOf, type ParameterSpec, type StatisticSpec } from './parameter-spec.js';

/** `[height, width, channels]` of an input image. */
export type ImageShape = readonly [number, number, number];

export interface Model {
  readonly name: string;
  readonly inputShape: ImageShape;
  readonly numClasses: number;
  readonly parameters: readonly ParameterSpec[];
  readonly statistics: readonly StatisticSpec[];
  /**
   * `[N, numClasses]` from mean-subtracted pixels, `[N, H, W, C]`. Leaves its intermediate tensors to the caller's `tf.tidy`,
   * since a gradient needs them.
   */
  readonly logits: (pass: Pass, images: Tensor4D) => Tensor2D;
}

/** The model that a network makes for images of one shape. Throws UsageError when the images are too small for it. */
export function modelOf(name: string, inputShape: ImageShape, numClasses: number, network: LayerBuilder): Model {
  const { outputShape, parameters, statistics, apply } = network(inputShape);
  if (outputShape.length !== 1 || outputShape[0] !== numClasses) {
    throw new Error(`model ${name} ends in [${outputShape.join(', ')}], not in its ${numClasses} classes`);
  }
  return {
    name,
    inputShape,
    numClasses,
    parameters,
    statistics,
    logits: (pass, images) => apply(pass, images) as Tensor2D,
  };
}

/** Number of values that are learnt, those of auxiliary heads left out: the figure that papers give. */
export function numParametersOf({ parameters }: Model): number {
  return parameters.filter(({ isAuxiliary }) => !isAuxiliary).reduce((sum, { shape }) => sum + numElementsOf(shape), 0);
}
