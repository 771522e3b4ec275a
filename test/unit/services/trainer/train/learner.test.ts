import assert from 'node:assert/strict';
import { openBackend, type Backend } from '../../../../../services/trainer/backend/backend.js';
import type { Batch } from '../../../../../services/trainer/client/batch.js';
import { createModel } from '../../../../../services/trainer/models/catalog.js';
import { DEFAULT_SOLVER, type SolverSettings } from '../../../../../services/trainer/solver/settings.js';
import {
  createLearner,
  dropoutKeyOf,
  initialState,
  type Learner,
  type LearnerState,
} from '../../../../../services/trainer/train/learner.js';
import { createTestNet } from '../../../../integration/train-run.js';
import { memoryStream, NUM_CLASSES, SIDE } from '../memory-stream.js';

const model = createModel('small-convnet', [SIDE, SIDE, 3], NUM_CLASSES);
const solver: SolverSettings = {
  ...DEFAULT_SOLVER,
  learningRate: { policy: { type: 'fixed', baseRate: 0.02 }, numWarmUpSteps: 0 },
};

/** One step on one batch, whose loss comes back. */
async function step(learner: Learner, batch: Batch, runStep = 0): Promise<number> {
  const loss = await learner.accumulate(batch, dropoutKeyOf(1, runStep, 0));
  learner.update(runStep);
  return loss;
}

async function batches(count: number): Promise<Batch[]> {
  const found: Batch[] = [];
  for await (const batch of memoryStream({ split: 0, numSamples: 320, batchSize: 16 })) {
    if (found.push(batch) === count) break;
  }
  return found;
}

/** Largest difference of two states' weights, relative to the largest weight. */
function difference(a: LearnerState, b: LearnerState): number {
  let largest = 0;
  for (const [name, { data }] of a.weights) {
    const other = b.weights.get(name)!.data;
    const scale = data.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    data.forEach((value, i) => (largest = Math.max(largest, Math.abs(value - other[i]) / scale)));
  }
  return largest;
}

describe('a learner', () => {
  let backend: Backend;
  beforeEach(async () => {
    backend = await openBackend('wasm');
  });

  it('begins with a loss of about ln(classes) and a fall of the loss on the same batch', async () => {
    const learner = createLearner(backend, model, solver, initialState(model, solver, 1));
    const [batch] = await batches(1);
    const losses: number[] = [];
    for (let i = 0; i < 30; i++) losses.push(await step(learner, batch));
    learner.dispose();
    assert.ok(Math.abs(losses[0] - Math.log(NUM_CLASSES)) < 0.1, `first loss ${losses[0]}`);
    assert.ok(losses[29] < losses[0] / 2, `last loss ${losses[29]}`);
  });

  it('holds the same number of tensors after every step, and none when it is disposed of', async () => {
    const { tf } = backend;
    const { numTensors: before } = tf.memory();
    const learner = createLearner(backend, model, solver, initialState(model, solver, 1));
    assert.equal(tf.memory().numTensors, before + 2 * model.parameters.length);
    for (const batch of await batches(5)) {
      await step(learner, batch);
      await learner.state();
      assert.equal(tf.memory().numTensors, before + 2 * model.parameters.length);
    }
    learner.dispose();
    assert.equal(tf.memory().numTensors, before);
  });

  it('computes on wasm what the cpu backend computes', async () => {
    const found: { losses: number[]; state: LearnerState }[] = [];
    for (const name of ['wasm', 'cpu'] as const) {
      const learner = createLearner(await openBackend(name), model, solver, initialState(model, solver, 1));
      const losses: number[] = [];
      for (const batch of await batches(3)) losses.push(await step(learner, batch));
      found.push({ losses, state: await learner.state() });
      learner.dispose();
    }
    const [wasm, cpu] = found;
    wasm.losses.forEach((loss, i) => assert.ok(Math.abs(loss / cpu.losses[i] - 1) < 1e-4, `loss of step ${i}`));
    assert.ok(difference(wasm.state, cpu.state) < 1e-4, `weights differ by ${difference(wasm.state, cpu.state)}`);
  });

  it('goes on from a copy of its state to the same weights, bit for bit', async () => {
    const [first, second] = await batches(2);
    const one = createLearner(backend, model, solver, initialState(model, solver, 1));
    await step(one, first);
    const two = createLearner(backend, model, solver, await one.state());
    assert.equal(await step(one, second), await step(two, second));
    assert.deepEqual(await one.state(), await two.state());
    one.dispose();
    two.dispose();
  });

  it('learns nothing from padding', async () => {
    const [batch] = await batches(1);
    const isValid = Uint8Array.from({ length: 16 }, (_, i) => (i < 10 ? 1 : 0));
    const garbage = batch.images.map((value, i) => (i < 10 * SIDE * SIDE * 3 ? value : 255));
    const learner = createLearner(backend, model, solver, initialState(model, solver, 1));
    const other = createLearner(backend, model, solver, initialState(model, solver, 1));
    const loss = await step(learner, { ...batch, isValid });
    assert.equal(await step(other, { ...batch, images: garbage, isValid }), loss);
    assert.ok(difference(await learner.state(), await other.state()) < 1e-6);
    learner.dispose();
    other.dispose();
  });

  it('says a loss that is not finite and keeps its weights until it is told to take the step', async () => {
    const [batch] = await batches(1);
    const broken = initialState(model, solver, 1);
    broken.weights.get('fc.weight')!.data.fill(NaN);
    const learner = createLearner(backend, model, solver, broken);
    assert.ok(Number.isNaN(await learner.accumulate(batch, 0)));
    assert.deepEqual(await learner.state(), broken);
    learner.dispose();
  });

  it('comes to the same by two half batches as by a whole one', async () => {
    const [batch] = await batches(1);
    const whole = createLearner(backend, model, solver, initialState(model, solver, 1));
    const halves = createLearner(backend, model, { ...solver, iterSize: 2 }, initialState(model, solver, 1));
    const loss = await step(whole, batch);
    const losses: number[] = [];
    for (const begin of [0, 8]) {
      const isValid = batch.isValid.map((_, i) => (i >= begin && i < begin + 8 ? 1 : 0));
      losses.push(await halves.accumulate({ ...batch, isValid }, 0));
    }
    halves.update(0);
    assert.ok(Math.abs((losses[0] + losses[1]) / 2 - loss) < 1e-5);
    assert.ok(difference(await whole.state(), await halves.state()) < 1e-5);
    whole.dispose();
    halves.dispose();
  });

  it('drops other values at each step, and the same ones when the step is made again', async () => {
    const net = createTestNet();
    const [batch] = await batches(1);
    const losses: number[] = [];
    for (const runStep of [0, 1, 0]) {
      const learner = createLearner(backend, net, solver, initialState(net, solver, 1));
      losses.push(await step(learner, batch, runStep));
      learner.dispose();
    }
    assert.equal(losses[0], losses[2]);
    assert.notEqual(losses[0], losses[1]);
  });

  it('refuses a batch that does not fit the model, saying why', async () => {
    const [batch] = await batches(1);
    const learner = createLearner(backend, model, solver, initialState(model, solver, 1));
    for (const [wrong, message] of [
      [{ layout: 'NCHW' }, /was made for 16×16×3 NHWC images, the stream has 16×16×3 NCHW/],
      [{ shape: [16, 8, 32, 3] }, /the stream has 8×32×3 NHWC/],
      [{ labels: batch.labels.map(() => 10) }, /tells 10 classes, sample \d+ has label 10/],
    ] as const) {
      await assert.rejects(step(learner, { ...batch, ...wrong }), message);
    }
    learner.dispose();
  });
});
