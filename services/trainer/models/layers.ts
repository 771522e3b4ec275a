/** The layers that models are made of: each with what it learns, and its function. Tensors are NHWC. */
import type { Rank, Tensor2D, Tensor4D, Tensor } from '@tensorflow/tfjs-core';
import type { Tf } from '../backend/tf.js';
import type { Filler, ParameterSpec, ParameterTensors } from './model.js';

/** What a square convolution with a bias learns. */
export function convolutionParameters(name: string, size: number, numInputs: number, numOutputs: number) {
  return weightAndBias(name, [size, size, numInputs, numOutputs], { type: 'msra' });
}

/** `[N, H, W, numInputs]` to `[N, ⌈H / stride⌉, ⌈W / stride⌉, numOutputs]`, the edges padded with zeros. */
export function convolution(tf: Tf, parameters: ParameterTensors, name: string, x: Tensor4D, stride = 1): Tensor4D {
  const { weight, bias } = weightAndBiasOf<Rank.R4>(parameters, name);
  return tf.add(tf.conv2d<Tensor4D>(x, weight, stride, 'same'), bias);
}

/** What a fully connected layer with a bias learns. */
export function denseParameters(name: string, numInputs: number, numOutputs: number, filler: Filler) {
  return weightAndBias(name, [numInputs, numOutputs], filler);
}

/** `[N, numInputs]` to `[N, numOutputs]`. */
export function dense(tf: Tf, parameters: ParameterTensors, name: string, x: Tensor2D): Tensor2D {
  const { weight, bias } = weightAndBiasOf<Rank.R2>(parameters, name);
  return tf.add(tf.matMul<Tensor2D>(x, weight), bias);
}

/** Multipliers as in Caffe's reference models: a bias learns twice as fast and does not decay. */
function weightAndBias(name: string, shape: readonly number[], filler: Filler): readonly ParameterSpec[] {
  const biasShape = shape.slice(-1);
  return [
    { name: `${name}.weight`, shape, filler, rateMultiplier: 1, decayMultiplier: 1 },
    {
      name: `${name}.bias`,
      shape: biasShape,
      filler: { type: 'constant', value: 0 },
      rateMultiplier: 2,
      decayMultiplier: 0,
    },
  ];
}

function weightAndBiasOf<R extends Rank>(parameters: ParameterTensors, name: string) {
  const weight = parameters.get(`${name}.weight`);
  const bias = parameters.get(`${name}.bias`);
  if (weight === undefined || bias === undefined) throw new Error(`the model has no parameters of a layer ${name}`);
  return { weight: weight as Tensor<R>, bias: bias as Tensor<Rank.R1> };
}
