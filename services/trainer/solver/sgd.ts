/**
 * Caffe's SGD with momentum: the learning rate is inside the velocity, `v ← momentum·v + rate·(gradient + decay·w)`,
 * `w ← w − v`, so that a change of rate acts on new gradients only. tf.train.momentum has it outside, which is another rule.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { Tf } from '../backend/tf.js';
import type { LearningRatePolicy } from './learning-rate.js';

export interface SolverSettings {
  readonly learningRate: LearningRatePolicy;
  /** `[0, 1)`. */
  readonly momentum: number;
  /** Factor of the L2 penalty's gradient. */
  readonly weightDecay: number;
}

/** Caffe's usual numbers. */
export const DEFAULT_SOLVER: SolverSettings = {
  learningRate: { type: 'fixed', baseRate: 0.01 },
  momentum: 0.9,
  weightDecay: 0.0005,
};

/** What one step has for one parameter: the settings of the step times the multipliers of the parameter. */
export interface SgdRates {
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
}

/** A parameter and its momentum buffer, of the same shape. */
export interface Learnt {
  readonly weight: Tensor;
  readonly velocity: Tensor;
}

/** One step; new tensors come back, those handed in are left alone. Call inside `tf.tidy`. */
export function sgdStep(tf: Tf, { weight, velocity }: Learnt, gradient: Tensor, rates: SgdRates): Learnt {
  const regularised = rates.weightDecay === 0 ? gradient : tf.add(gradient, tf.mul(weight, rates.weightDecay));
  const next = tf.add(tf.mul(velocity, rates.momentum), tf.mul(regularised, rates.learningRate));
  return { weight: tf.sub(weight, next), velocity: next };
}
