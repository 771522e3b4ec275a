/** A model as data and one function. */
import type { Tensor, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import type { Tf } from '../backend/tf.js';

/** `[height, width, channels]` of an input image. */
export type ImageShape = readonly [number, number, number];

/** How a parameter gets its first values, by Caffe's names. */
export type Filler =
  | { readonly type: 'constant'; readonly value: number }
  /** Normal with mean 0. */
  | { readonly type: 'gaussian'; readonly std: number }
  /** Normal with mean 0 and variance 2 / fan-in, for layers before a ReLU (He et al. 2015). */
  | { readonly type: 'msra' };

/** One tensor that is learnt. */
export interface ParameterSpec {
  /** `<layer>.weight` or `<layer>.bias`, unique in the model; also its name in a checkpoint. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly filler: Filler;
  /** Factor on the learning rate: Caffe's `lr_mult`. */
  readonly rateMultiplier: number;
  /** Factor on the weight decay: Caffe's `decay_mult`. */
  readonly decayMultiplier: number;
}

/** The parameters' tensors by name; they stay their owner's. */
export type ParameterTensors = ReadonlyMap<string, Tensor>;

export interface Model {
  readonly name: string;
  readonly inputShape: ImageShape;
  readonly numClasses: number;
  readonly parameters: readonly ParameterSpec[];
  /**
   * `[N, numClasses]` from mean-subtracted pixels, `[N, H, W, C]`. Leaves its intermediate tensors to the caller's `tf.tidy`,
   * since a gradient needs them.
   */
  logits(tf: Tf, parameters: ParameterTensors, images: Tensor4D): Tensor2D;
}

/** Number of values of a tensor; 1 for a scalar's `[]`. */
export function numElementsOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
