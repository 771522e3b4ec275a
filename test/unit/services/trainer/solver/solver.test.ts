import assert from 'node:assert/strict';
import fc from 'fast-check';
import { openBackend } from '../../../../../services/trainer/backend/backend.js';
import type { Tf } from '../../../../../services/trainer/backend/tf.js';
import { learningRateAt, type LearningRatePolicy } from '../../../../../services/trainer/solver/learning-rate.js';
import {
  UPDATE_RULES,
  updateStep,
  type Stepped,
  type UpdateRuleName,
} from '../../../../../services/trainer/solver/update-rules.js';

describe('a learning rate', () => {
  const rateAt = (policy: LearningRatePolicy, step: number): number =>
    learningRateAt({ policy, numWarmUpSteps: 0 }, step);

  it('that is fixed never changes', () => {
    fc.assert(fc.property(fc.nat(), (step) => rateAt({ type: 'fixed', baseRate: 0.01 }, step) === 0.01));
  });

  for (const { policy, rates } of [
    {
      policy: { type: 'step', baseRate: 0.1, gamma: 0.5, stepSize: 100 },
      rates: { 0: 0.1, 99: 0.1, 100: 0.05, 199: 0.05, 200: 0.025 },
    },
    {
      policy: { type: 'multistep', baseRate: 1, gamma: 0.1, stepValues: [5, 8] },
      rates: { 0: 1, 4: 1, 5: 0.1, 7: 0.1, 8: 0.01, 1000: 0.01 },
    },
    { policy: { type: 'exp', baseRate: 2, gamma: 0.5 }, rates: { 0: 2, 1: 1, 3: 0.25 } },
    // The numbers of Caffe's LeNet solver.
    {
      policy: { type: 'inv', baseRate: 0.01, gamma: 0.0001, power: 0.75 },
      rates: { 0: 0.01, 5000: 0.00737788, 10000: 0.00594604 },
    },
    {
      policy: { type: 'poly', baseRate: 0.01, power: 0.5, maxSteps: 100 },
      rates: { 0: 0.01, 75: 0.005, 100: 0, 200: 0 },
    },
    {
      policy: { type: 'sigmoid', baseRate: 1, gamma: -0.01, stepSize: 100 },
      rates: { 0: 1 / (1 + Math.exp(-1)), 100: 0.5, 200: 1 / (1 + Math.E) },
    },
    { policy: { type: 'cosine', baseRate: 2, maxSteps: 60 }, rates: { 0: 2, 20: 1.5, 30: 1, 60: 0, 90: 0 } },
  ] as const) {
    it(`by ${policy.type} is what the formula says`, () => {
      for (const [step, rate] of Object.entries(rates)) {
        assert.ok(
          Math.abs(rateAt(policy, Number(step)) - rate) < 1e-8,
          `step ${step}: ${rateAt(policy, Number(step))}`,
        );
      }
    });
  }

  it('that warms up rises linearly to what the policy says', () => {
    const policy = { type: 'step', baseRate: 0.4, gamma: 0.1, stepSize: 5 } as const;
    const rates = [0, 1, 2, 3, 4, 5].map((step) => learningRateAt({ policy, numWarmUpSteps: 4 }, step));
    [0.1, 0.2, 0.3, 0.4, 0.4, 0.04].forEach((rate, step) => assert.ok(Math.abs(rates[step] - rate) < 1e-12));
  });
});

describe("Caffe's update rules", () => {
  let tf: Tf;
  before(async () => {
    ({ tf } = await openBackend('wasm'));
  });

  const gradients = [0.5, -2, 1, 0];
  const learningRates = [0.1, 0.1, 0.01, 0.01];
  const [momentum, momentum2, delta, weightDecay] = [0.9, 0.99, 1e-3, 0.2];

  /** Each rule by the lines of Caffe's own solver, in double precision: history in, weight and history out. */
  const byHand: Record<
    UpdateRuleName,
    (w: number, h: number[], diff: number, rate: number, iter: number) => [number, number[]]
  > = {
    sgd(w, [history], diff, rate) {
      history = rate * diff + momentum * history;
      return [w - history, [history]];
    },
    nesterov(w, [history], diff, rate) {
      const before = history;
      history = rate * diff + momentum * history;
      return [w - ((1 + momentum) * history - momentum * before), [history]];
    },
    adam(w, [m, v], diff, rate, iter) {
      const t = iter + 1;
      m = (1 - momentum) * diff + momentum * m;
      v = (1 - momentum2) * diff * diff + momentum2 * v;
      const correction = Math.sqrt(1 - Math.pow(momentum2, t)) / (1 - Math.pow(momentum, t));
      return [w - (rate * correction * m) / (Math.sqrt(v) + delta), [m, v]];
    },
  };

  for (const rule of ['sgd', 'nesterov', 'adam'] as const) {
    it(`take the steps of ${rule}, the rate inside the history and the decay in the gradient`, () => {
      let w = 3;
      let history = UPDATE_RULES[rule].slotNames.map(() => 0);
      tf.tidy(() => {
        let current: Stepped = { weight: tf.tensor1d([w]), slots: history.map(() => tf.tensor1d([0])) };
        gradients.forEach((gradient, runStep) => {
          const learningRate = learningRates[runStep];
          [w, history] = byHand[rule](w, history, gradient + weightDecay * w, learningRate, runStep);
          const rates = { learningRate, momentum, momentum2, delta, weightDecay, runStep };
          current = updateStep(tf, rule, current, tf.tensor1d([gradient]), rates);
          const found = [current.weight, ...current.slots].map((tensor) => tensor.dataSync()[0]);
          [w, ...history].forEach((value, i) => {
            assert.ok(Math.abs(found[i] - value) < 2e-6, `step ${runStep}, value ${i}: ${found[i]} for ${value}`);
          });
        });
      });
    });
  }

  it('leave what they were handed as it was', () => {
    tf.tidy(() => {
      const current = { weight: tf.tensor1d([1, 2]), slots: [tf.tensor1d([3, 4])] };
      const rates = { learningRate: 1, momentum: 0.5, momentum2: 0, delta: 0, weightDecay: 0, runStep: 0 };
      const { weight, slots } = updateStep(tf, 'sgd', current, tf.tensor1d([1, 1]), rates);
      assert.deepEqual([...current.weight.dataSync(), ...current.slots[0].dataSync()], [1, 2, 3, 4]);
      assert.deepEqual([...weight.dataSync(), ...slots[0].dataSync()], [-1.5, -1, 2.5, 3]);
    });
  });
});
