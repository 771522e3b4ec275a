import assert from 'node:assert/strict';
import fc from 'fast-check';
import { openBackend } from '../../../../../services/trainer/backend/backend.js';
import type { Tf } from '../../../../../services/trainer/backend/tf.js';
import { learningRateAt } from '../../../../../services/trainer/solver/learning-rate.js';
import { sgdStep, type Learnt } from '../../../../../services/trainer/solver/sgd.js';

describe('a learning rate', () => {
  it('that is fixed never changes', () => {
    fc.assert(fc.property(fc.nat(), (step) => learningRateAt({ type: 'fixed', baseRate: 0.01 }, step) === 0.01));
  });

  it('in steps falls by gamma at every multiple of the step size, and nowhere else', () => {
    const policy = { type: 'step', baseRate: 0.1, gamma: 0.5, stepSize: 100 } as const;
    for (const [step, rate] of [
      [0, 0.1],
      [99, 0.1],
      [100, 0.05],
      [199, 0.05],
      [200, 0.025],
    ]) {
      assert.equal(learningRateAt(policy, step), rate);
    }
  });
});

describe("Caffe's SGD", () => {
  let tf: Tf;
  before(async () => {
    ({ tf } = await openBackend('wasm'));
  });

  it('takes the steps that its formula says, the rate inside the velocity', () => {
    const gradients = [0.5, -2, 1, 0];
    const learningRates = [0.1, 0.1, 0.01, 0.01];
    const [momentum, weightDecay] = [0.9, 0.2];
    let [w, v] = [3, 0];
    tf.tidy(() => {
      let learnt: Learnt = { weight: tf.tensor1d([3]), velocity: tf.tensor1d([0]) };
      gradients.forEach((gradient, step) => {
        const learningRate = learningRates[step];
        v = momentum * v + learningRate * (gradient + weightDecay * w);
        w -= v;
        learnt = sgdStep(tf, learnt, tf.tensor1d([gradient]), { learningRate, momentum, weightDecay });
        assert.ok(Math.abs(learnt.velocity.dataSync()[0] - v) < 1e-6, `velocity after step ${step}`);
        assert.ok(Math.abs(learnt.weight.dataSync()[0] - w) < 1e-6, `weight after step ${step}`);
      });
    });
  });

  it('leaves what it was handed as it was', () => {
    tf.tidy(() => {
      const learnt = { weight: tf.tensor1d([1, 2]), velocity: tf.tensor1d([3, 4]) };
      const rates = { learningRate: 1, momentum: 0.5, weightDecay: 0 };
      const next = sgdStep(tf, learnt, tf.tensor1d([1, 1]), rates);
      assert.deepEqual([...learnt.weight.dataSync(), ...learnt.velocity.dataSync()], [1, 2, 3, 4]);
      assert.deepEqual([...next.weight.dataSync(), ...next.velocity.dataSync()], [-1.5, -1, 2.5, 3]);
    });
  });
});
