import assert from 'node:assert/strict';
import { openBackend, type Backend } from '../../../../../services/trainer/backend/backend.js';
import type { Batch } from '../../../../../services/trainer/client/batch.js';
import { createModel } from '../../../../../services/trainer/models/catalog.js';
import { createLearner, initialState, type LearnerState } from '../../../../../services/trainer/train/learner.js';
import { memoryStream, NUM_CLASSES, SIDE } from '../memory-stream.js';

const model = createModel('small-convnet', [SIDE, SIDE, 3], NUM_CLASSES);
const rates = { learningRate: 0.02, momentum: 0.9, weightDecay: 0.0005 };

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
    const learner = createLearner(backend, model, initialState(model, 1));
    const [batch] = await batches(1);
    const losses: number[] = [];
    for (let i = 0; i < 30; i++) losses.push(await learner.step(batch, rates));
    learner.dispose();
    assert.ok(Math.abs(losses[0] - Math.log(NUM_CLASSES)) < 0.1, `first loss ${losses[0]}`);
    assert.ok(losses[29] < losses[0] / 2, `last loss ${losses[29]}`);
  });

  it('holds the same number of tensors after every step, and none when it is disposed of', async () => {
    const { tf } = backend;
    const { numTensors: before } = tf.memory();
    const learner = createLearner(backend, model, initialState(model, 1));
    assert.equal(tf.memory().numTensors, before + 2 * model.parameters.length);
    for (const batch of await batches(5)) {
      await learner.step(batch, rates);
      await learner.state();
      assert.equal(tf.memory().numTensors, before + 2 * model.parameters.length);
    }
    learner.dispose();
    assert.equal(tf.memory().numTensors, before);
  });

  it('computes on wasm what the cpu backend computes', async () => {
    const found: { losses: number[]; state: LearnerState }[] = [];
    for (const name of ['wasm', 'cpu'] as const) {
      const learner = createLearner(await openBackend(name), model, initialState(model, 1));
      const losses: number[] = [];
      for (const batch of await batches(3)) losses.push(await learner.step(batch, rates));
      found.push({ losses, state: await learner.state() });
      learner.dispose();
    }
    const [wasm, cpu] = found;
    wasm.losses.forEach((loss, i) => assert.ok(Math.abs(loss / cpu.losses[i] - 1) < 1e-4, `loss of step ${i}`));
    assert.ok(difference(wasm.state, cpu.state) < 1e-4, `weights differ by ${difference(wasm.state, cpu.state)}`);
  });

  it('goes on from a copy of its state to the same weights, bit for bit', async () => {
    const [first, second] = await batches(2);
    const one = createLearner(backend, model, initialState(model, 1));
    await one.step(first, rates);
    const two = createLearner(backend, model, await one.state());
    assert.equal(await one.step(second, rates), await two.step(second, rates));
    assert.deepEqual(await one.state(), await two.state());
    one.dispose();
    two.dispose();
  });

  it('learns nothing from padding', async () => {
    const [batch] = await batches(1);
    const isValid = Uint8Array.from({ length: 16 }, (_, i) => (i < 10 ? 1 : 0));
    const garbage = batch.images.map((value, i) => (i < 10 * SIDE * SIDE * 3 ? value : 255));
    const learner = createLearner(backend, model, initialState(model, 1));
    const other = createLearner(backend, model, initialState(model, 1));
    const loss = await learner.step({ ...batch, isValid }, rates);
    assert.equal(await other.step({ ...batch, images: garbage, isValid }, rates), loss);
    assert.ok(difference(await learner.state(), await other.state()) < 1e-6);
    learner.dispose();
    other.dispose();
  });

  it('keeps its weights when the loss is not finite', async () => {
    const [batch] = await batches(1);
    const broken = initialState(model, 1);
    broken.weights.get('fc.weight')!.data.fill(NaN);
    const learner = createLearner(backend, model, broken);
    const { numTensors } = backend.tf.memory();
    assert.ok(Number.isNaN(await learner.step(batch, rates)));
    assert.deepEqual(await learner.state(), broken);
    assert.equal(backend.tf.memory().numTensors, numTensors);
    learner.dispose();
  });

  it('refuses a batch that does not fit the model, saying why', async () => {
    const [batch] = await batches(1);
    const learner = createLearner(backend, model, initialState(model, 1));
    for (const [wrong, message] of [
      [{ layout: 'NCHW' }, /was made for 16×16×3 NHWC images, the stream has 16×16×3 NCHW/],
      [{ shape: [16, 8, 32, 3] }, /the stream has 8×32×3 NHWC/],
      [{ labels: batch.labels.map(() => 10) }, /tells 10 classes, sample \d+ has label 10/],
    ] as const) {
      await assert.rejects(learner.step({ ...batch, ...wrong }, rates), message);
    }
    learner.dispose();
  });
});
