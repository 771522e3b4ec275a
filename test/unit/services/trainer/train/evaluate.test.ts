import assert from 'node:assert/strict';
import { InterruptedError } from '../../../../../lib/core/errors.js';
import { openBackend, type Backend } from '../../../../../services/trainer/backend/backend.js';
import { createModel } from '../../../../../services/trainer/models/catalog.js';
import { DEFAULT_SOLVER } from '../../../../../services/trainer/solver/settings.js';
import { evaluate, sumsOf, type Evaluation } from '../../../../../services/trainer/train/evaluate.js';
import { createLearner, initialState } from '../../../../../services/trainer/train/learner.js';
import { createStopwatch } from '../../../../../services/trainer/train/stopwatch.js';
import { memoryStream, NUM_CLASSES, SIDE } from '../memory-stream.js';

describe('a test', () => {
  let backend: Backend;
  before(async () => {
    backend = await openBackend('wasm');
  });

  const sums = (logits: number[][], labels: number[], weights = labels.map(() => 1)): number[] => {
    const { tf } = backend;
    return tf.tidy(() => {
      const targets = tf.oneHot(labels, logits[0].length) as ReturnType<typeof tf.tensor2d>;
      return [...sumsOf(tf, tf.tensor2d(logits), { targets, weights: tf.tensor1d(weights) }).dataSync()];
    });
  };

  it('counts first guesses and those within five', () => {
    const logits = [9, 8, 7, 6, 5, 4, 3];
    const [, top1, top5] = sums([logits, logits, logits, logits], [0, 1, 4, 5]);
    assert.deepEqual([top1, top5], [1, 3]);
  });

  it('leaves padding out', () => {
    const logits = [9, 8, 7, 6, 5, 4, 3];
    const [loss, top1, top5] = sums([logits, logits, logits], [0, 0, 6], [1, 0, 0]);
    const [expected] = sums([logits], [0]);
    assert.deepEqual([loss, top1, top5], [expected, 1, 1]);
  });

  it('has ties and NaN count as wrong', () => {
    const [, ...counts] = sums([Array<number>(7).fill(0), Array<number>(7).fill(NaN)], [0, 0]);
    assert.deepEqual(counts, [0, 0]);
  });

  it('says the mean loss of the samples', () => {
    const [loss] = sums([[0, 0, 0, 0]], [2]);
    assert.ok(Math.abs(loss - Math.log(4)) < 1e-6);
  });

  it('goes through each sample once, whatever the batch size, and leaves no tensor behind', async () => {
    const model = createModel('small-convnet', [SIDE, SIDE, 3], NUM_CLASSES);
    const learner = createLearner(backend, model, DEFAULT_SOLVER, initialState(model, DEFAULT_SOLVER, 1));
    const { numTensors } = backend.tf.memory();
    const found: Evaluation[] = [];
    for (const batchSize of [16, 25]) {
      const stream = memoryStream({ split: 1, numSamples: 50, batchSize, endOfEpoch: 'pad' }, undefined, 1);
      found.push(await evaluate(backend, model, learner.weights(), stream));
    }
    const [padded, whole] = found;
    assert.equal(padded.numSamples, 50);
    assert.equal(whole.numSamples, 50);
    assert.ok(Math.abs(padded.loss - whole.loss) < 1e-5);
    assert.deepEqual([padded.top1, padded.top5], [whole.top1, whole.top5]);
    assert.equal(backend.tf.memory().numTensors, numTensors);

    const stream = memoryStream({ split: 1, numSamples: 50, batchSize: 10 }, undefined, 1);
    await assert.rejects(
      evaluate(backend, model, learner.weights(), stream, AbortSignal.abort()),
      (error: unknown) => error instanceof InterruptedError,
    );
    learner.dispose();
  });
});

describe('a stopwatch', () => {
  it('tells work from waiting, and leaves out what lies between them', () => {
    let ms = 1000;
    const pass = (duration: number): void => void (ms += duration);
    const stopwatch = createStopwatch(() => ms);
    assert.deepEqual(stopwatch.rates(), { imagesPerSecond: 0, waitShare: 0 });
    for (const waitMs of [100, 0, 200]) {
      pass(5000);
      stopwatch.leaveOut();
      pass(waitMs);
      stopwatch.endWait();
      pass(300);
      stopwatch.endWork(32);
    }
    assert.deepEqual(stopwatch.rates(), { imagesPerSecond: 96 / 1.2, waitShare: 0.25 });
    assert.deepEqual(stopwatch.lap(), { waitMs: 300, workMs: 900 });
    assert.deepEqual(stopwatch.lap(), { waitMs: 0, workMs: 0 });
  });
});
