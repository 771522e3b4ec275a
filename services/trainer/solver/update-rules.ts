/**
 * How gradients change weights, as Caffe's solvers of the same names do it. Weight decay comes first: `g ← gradient + decay·w`.
 * The learning rate is inside the momentum, so that a change of rate acts on new gradients only; tf.train.momentum has it outside,
 * which is another rule.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { Tf } from '../backend/tf.js';

/** What one step has for one parameter: the settings of the step times the multipliers of the parameter. */
export interface StepRates {
  readonly learningRate: number;
  readonly momentum: number;
  readonly momentum2: number;
  readonly delta: number;
  readonly weightDecay: number;
  /** Steps done before this one. */
  readonly runStep: number;
}

export interface Stepped {
  readonly weight: Tensor;
  /** As many as the rule has slots. */
  readonly slots: readonly Tensor[];
}

export interface UpdateRule {
  /** Names of the tensors that it keeps for each parameter, of the parameter's shape and 0 at first. */
  readonly slotNames: readonly string[];
  /** One step; new tensors come back, those handed in are left alone. Call inside `tf.tidy`. `gradient` has the decay in it. */
  readonly step: (tf: Tf, current: Stepped, gradient: Tensor, rates: StepRates) => Stepped;
}

/** `v ← momentum·v + rate·g`, `w ← w − v`. */
const sgd: UpdateRule = {
  slotNames: ['momentum'],
  step(tf, { weight, slots: [velocity] }, gradient, { momentum, learningRate }) {
    const next = tf.add(tf.mul(velocity, momentum), tf.mul(gradient, learningRate));
    return { weight: tf.sub(weight, next), slots: [next] };
  },
};

/** Sgd's velocity, looked at from where it leads: `w ← w − ((1 + momentum)·v − momentum·v before)`. */
const nesterov: UpdateRule = {
  slotNames: ['momentum'],
  step(tf, { weight, slots: [velocity] }, gradient, { momentum, learningRate }) {
    const next = tf.add(tf.mul(velocity, momentum), tf.mul(gradient, learningRate));
    const update = tf.sub(tf.mul(next, 1 + momentum), tf.mul(velocity, momentum));
    return { weight: tf.sub(weight, update), slots: [next] };
  },
};

/** Kingma and Ba 2014: `m` and `v` follow g and g², `w ← w − rate·√(1−momentum2^t)/(1−momentum^t)·m/(√v + delta)`. */
const adam: UpdateRule = {
  slotNames: ['moment1', 'moment2'],
  step(tf, { weight, slots: [m, v] }, gradient, { momentum, momentum2, delta, learningRate, runStep }) {
    const nextM = tf.add(tf.mul(m, momentum), tf.mul(gradient, 1 - momentum));
    const nextV = tf.add(tf.mul(v, momentum2), tf.mul(tf.square(gradient), 1 - momentum2));
    const correction = Math.sqrt(1 - momentum2 ** (runStep + 1)) / (1 - momentum ** (runStep + 1));
    const direction = tf.div(nextM, tf.add(tf.sqrt(nextV), delta));
    return { weight: tf.sub(weight, tf.mul(direction, learningRate * correction)), slots: [nextM, nextV] };
  },
};

export const UPDATE_RULES = { sgd, nesterov, adam } as const satisfies Record<string, UpdateRule>;

export type UpdateRuleName = keyof typeof UPDATE_RULES;

export const UPDATE_RULE_NAMES = Object.keys(UPDATE_RULES) as [UpdateRuleName, ...UpdateRuleName[]];

/** One step of a rule on one parameter, weight decay included. Call inside `tf.tidy`. */
export function updateStep(
  tf: Tf,
  rule: UpdateRuleName,
  current: Stepped,
  gradient: Tensor,
  rates: StepRates,
): Stepped {
  const { weightDecay } = rates;
  const regularised = weightDecay === 0 ? gradient : tf.add(gradient, tf.mul(current.weight, weightDecay));
  return UPDATE_RULES[rule].step(tf, current, regularised, rates);
}
