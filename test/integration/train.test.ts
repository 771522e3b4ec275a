import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { InterruptedError } from '../../lib/core/errors.js';
import type { Reporter } from '../../lib/platform/progress.js';
import { openBackend, type Backend } from '../../services/trainer/backend/backend.js';
import type { Batch } from '../../services/trainer/client/batch.js';
import { createModel } from '../../services/trainer/models/catalog.js';
import { DEFAULT_SOLVER } from '../../services/trainer/solver/settings.js';
import { openCheckpointFolder, readCheckpoint } from '../../services/trainer/train/checkpoint-folder.js';
import { createClassifier } from '../../services/trainer/train/classifier.js';
import { initialState } from '../../services/trainer/train/learner.js';
import type { TrainOptions } from '../../services/trainer/train/options.js';
import { train } from '../../services/trainer/train/train.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { drawSample, memoryStream, NUM_CLASSES, SIDE } from '../unit/services/trainer/memory-stream.js';
import { BATCH_SIZE, runOptions, silent } from './train-run.js';

/** Loss by step, as a run tells of it. */
type Losses = Map<number, number>;

function recorder(losses: Losses, onStep?: (runStep: number) => void): Reporter {
  return {
    ...silent,
    event(name, _text, fields = {}) {
      if (name !== 'step') return;
      const { runStep, loss } = fields as { runStep: number; loss: number };
      losses.set(runStep, loss);
      onStep?.(runStep);
    },
  };
}

const hasCode = (code: string) => (error: unknown) => (error as { code?: string }).code === code;

describe('training', () => {
  const folder = temporaryFolder();
  let backend: Backend;
  let expected: { losses: Losses; checkpoint: Buffer };

  before(async () => {
    backend = await openBackend('wasm');
    const losses: Losses = new Map();
    const options = runOptions(backend, join(folder.path, 'undisturbed'));
    const { checkpoint } = await train({ ...options, displayEvery: 1, reporter: recorder(losses) });
    expected = { losses, checkpoint: await readFile(checkpoint) };
  });

  it('tells ten classes of images apart that it has never seen', async () => {
    const result = await train({
      ...runOptions(backend, join(folder.path, 'learns')),
      model: createModel('small-convnet', [SIDE, SIDE, 3], NUM_CLASSES),
      solver: { ...DEFAULT_SOLVER, learningRate: { policy: { type: 'fixed', baseRate: 0.02 }, numWarmUpSteps: 0 } },
      openStream: (position) => memoryStream({ split: 0, numSamples: 1000, batchSize: BATCH_SIZE }, position),
      numSteps: 200,
      testEvery: 100,
      snapshotEvery: 0,
    });
    assert.equal(result.steps, 200);
    assert.ok(result.lastLoss! < result.firstLoss! / 2, `loss ${result.firstLoss} to ${result.lastLoss}`);
    assert.equal(result.accuracy.numSamples, 100);
    assert.ok(result.accuracy.top1 >= 0.8, `accuracy ${result.accuracy.top1}`);
    assert.ok(result.accuracy.top5 >= result.accuracy.top1);
    assert.ok(result.imagesPerSecond > 0);
    assert.ok(result.waitShare >= 0 && result.waitShare <= 1);

    const { weights } = await readCheckpoint(result.checkpoint);
    const classifier = createClassifier(backend, createModel('small-convnet', [SIDE, SIDE, 3], NUM_CLASSES), weights);
    const ids = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    const pixels = ids.flatMap((id) => [...drawSample(1, id)]);
    const predictions = await classifier.classify(Float32Array.from(pixels));
    assert.equal(predictions.length, ids.length);
    assert.ok(predictions.filter(([first], id) => first.label === id % NUM_CLASSES).length >= 8);
    for (const guesses of predictions) {
      assert.equal(new Set(guesses.map(({ label }) => label)).size, 5);
      const probabilities = guesses.map(({ probability }) => probability);
      assert.deepEqual(
        probabilities,
        [...probabilities].sort((a, b) => b - a),
      );
    }
    await assert.rejects(classifier.classify(new Float32Array(10)), /expected images of 768 values/);
    classifier.close();
  });

  for (const stopAfter of [1, 3, 7, 8, 19]) {
    it(`stopped after step ${stopAfter} and begun again ends in the same losses and the same bytes`, async () => {
      const losses: Losses = new Map();
      const options = { ...runOptions(backend, join(folder.path, `stopped-${stopAfter}`)), displayEvery: 1 };
      const controller = new AbortController();
      const reporter = recorder(losses, (runStep) => {
        if (runStep === stopAfter) controller.abort();
      });
      const stopped = train({ ...options, reporter, signal: controller.signal });
      await assert.rejects(stopped, (error: unknown) => error instanceof InterruptedError);
      assert.equal(losses.size, stopAfter);
      const again: Losses = new Map();
      const result = await train({ ...options, reporter: recorder(again) });
      assert.equal(Math.min(...again.keys()), stopAfter + 1);
      assert.deepEqual(new Map([...losses, ...again]), expected.losses);
      assert.deepEqual(result.losses, [...expected.losses.values()]);
      assert.deepEqual([result.firstLoss, result.lastLoss], [expected.losses.get(1), expected.losses.get(20)]);
      assert.deepEqual(await readFile(result.checkpoint), expected.checkpoint);
    });
  }

  for (const { signal, exit, kept } of [
    { signal: 'SIGKILL', exit: [null, 'SIGKILL'], kept: 6 },
    { signal: 'SIGTERM', exit: [130, null], kept: 8 },
  ] as const) {
    it(`in a process ended by ${signal} goes on in another one, and ends in the same losses and the same bytes`, async () => {
      const path = join(folder.path, signal);
      const losses: Losses = new Map();
      const program = fileURLToPath(new URL('train-process.js', import.meta.url));
      const child = spawn(process.execPath, [program, path], { stdio: ['ignore', 'pipe', 'inherit'] });
      const exited = once(child, 'exit');
      for await (const line of createInterface(child.stdout)) {
        const { event, runStep, loss } = JSON.parse(line) as { event: string; runStep: number; loss: number };
        if (event !== 'step') continue;
        losses.set(runStep, loss);
        if (runStep === 8) child.kill(signal);
      }
      assert.deepEqual(await exited, exit);
      const again: Losses = new Map();
      const options = { ...runOptions(backend, path), displayEvery: 1, reporter: recorder(again) };
      const result = await train(options);
      assert.equal(Math.min(...again.keys()), kept + 1);
      for (const [runStep, loss] of losses) assert.equal(loss, expected.losses.get(runStep));
      assert.deepEqual(new Map([...losses, ...again]), expected.losses);
      assert.deepEqual(await readFile(result.checkpoint), expected.checkpoint);
    });
  }

  it('whose stream fails keeps what it has learnt and says why it ended', async () => {
    const path = join(folder.path, 'failing');
    const failing = async function* (): AsyncGenerator<Batch, void, undefined> {
      for await (const batch of runOptions(backend, path).openStream({ epoch: 0, step: 0 })) {
        if (batch.step === 5) throw new Error('the server is gone');
        yield batch;
      }
    };
    const options = runOptions(backend, path);
    await assert.rejects(train({ ...options, openStream: failing }), /the server is gone/);
    const { checkpoint } = await train(options);
    assert.deepEqual(await readFile(checkpoint), expected.checkpoint);
  });

  it('that is done already only tests', async () => {
    const path = join(folder.path, 'undisturbed');
    const openStream = (): never => assert.fail('no batch is needed');
    const result = await train({ ...runOptions(backend, path), openStream });
    assert.deepEqual([result.steps, result.imagesPerSecond, result.waitShare], [20, 0, 0]);
    assert.deepEqual(await readFile(result.checkpoint), expected.checkpoint);
  });

  it('with resume never begins anew and comes to the same', async () => {
    const path = join(folder.path, 'anew');
    await train({ ...runOptions(backend, path), key: { seed: 4, datasetVersion: 'other', globalBatchSize: 32 } });
    await assert.rejects(train(runOptions(backend, path)), hasCode('ERR_OPTIONS_DIFFER'));
    const { checkpoint } = await train({ ...runOptions(backend, path), resume: 'never' });
    assert.deepEqual(await readFile(checkpoint), expected.checkpoint);
  });

  it('ends when the loss runs away, and leaves no checkpoint of such weights', async () => {
    const path = join(folder.path, 'diverged');
    const { solver, ...options } = runOptions(backend, path);
    const learningRate = { policy: { type: 'fixed', baseRate: 1e20 }, numWarmUpSteps: 0 } as const;
    const wild = { ...solver, learningRate };
    await assert.rejects(train({ ...options, solver: wild, snapshotEvery: 0 }), hasCode('ERR_DIVERGED'));
    assert.deepEqual(await readdir(path), ['log.csv']);
  });

  it('never keeps weights that are no numbers, though the loss looks well', async () => {
    const path = join(folder.path, 'no-numbers');
    const options = runOptions(backend, path);
    const { model, solver } = options;
    const key = { ...options.key, rule: solver.rule };
    const state = initialState(model, solver, 1);
    state.weights.get('conv2.weight')!.data.fill(NaN);
    const progress = { runStep: 5, position: { epoch: 0, step: 5 }, firstLoss: 1, lastLoss: 1 };
    await (await openCheckpointFolder(path, 2)).save({ model, key, progress, annotations: {}, ...state });
    await assert.rejects(train(options), hasCode('ERR_DIVERGED'));
    assert.deepEqual((await readdir(path)).sort(), ['log.csv', 'step-00000005.safetensors']);
  });

  it('refuses a stream that ends too soon, or gives other batches than were asked for', async () => {
    const options = runOptions(backend, join(folder.path, 'wrong'));
    const split = { split: 0, numSamples: 8 * BATCH_SIZE, batchSize: BATCH_SIZE };
    const short = () => memoryStream(split, undefined, 1);
    await assert.rejects(train({ ...options, openStream: short }), /the stream ended after step 8 of 20/);
    const elsewhere = () => memoryStream(split, { epoch: 0, step: 2 });
    await assert.rejects(
      train({ ...options, openStream: elsewhere }),
      /gave step 2 of epoch 0 where step 0 of epoch 1 was due/,
    );
  });

  it('by gradients of several batches a step goes on in the middle of an epoch to the same bytes', async () => {
    const accumulating = (path: string): TrainOptions => {
      const options = runOptions(backend, join(folder.path, path));
      return { ...options, solver: { ...options.solver, rule: 'adam', iterSize: 3 }, numSteps: 6, snapshotEvery: 0 };
    };
    const undisturbed = await train(accumulating('accumulating'));
    const options = accumulating('accumulating-stopped');
    // The stream breaks in the middle of the third step: the batch that it has learnt from already does not count.
    const breaking = async function* (): AsyncGenerator<Batch, void, undefined> {
      for await (const batch of options.openStream({ epoch: 0, step: 0 })) {
        if (batch.step === 7) throw new Error('the server is gone');
        yield batch;
      }
    };
    await assert.rejects(train({ ...options, openStream: breaking }), /the server is gone/);
    const result = await train(options);
    assert.deepEqual(result.losses, undisturbed.losses);
    assert.deepEqual(await readFile(result.checkpoint), await readFile(undisturbed.checkpoint));
  });

  it('leaves a log with a row a step and a row a test, that goes on where the run does', async () => {
    const path = join(folder.path, 'log');
    const options = { ...runOptions(backend, path), numSteps: 10, testEvery: 5, snapshotEvery: 0 };
    await train({ ...options, numSteps: 4 });
    const { log, losses } = await train(options);
    const [heading, ...rows] = (await readFile(log, 'utf8')).trimEnd().split('\n');
    assert.equal(heading, 'step,epoch,loss,learning_rate,wait_ms,work_ms,test_loss,test_top1,test_top5');
    const cells = rows.map((row) => row.split(','));
    assert.deepEqual(
      cells.map(([step, , loss]) => [Number(step), loss === '' ? 'test' : 'step']),
      [1, 2, 3, 4, 4, 5, 5, 6, 7, 8, 9, 10, 10].map((step, i, steps) => [
        step,
        step === steps[i - 1] ? 'test' : 'step',
      ]),
    );
    assert.deepEqual(
      cells.filter((row) => row[2] !== '').map((row) => Number(row[2])),
      losses,
    );
  });

  it('has its folder to itself while it runs', async () => {
    const options = runOptions(backend, join(folder.path, 'shared'));
    const [first, second] = await Promise.allSettled([train(options), train(options)]);
    const failed = [first, second].filter((result) => result.status === 'rejected');
    assert.equal(failed.length, 1);
    assert.ok(hasCode('ERR_LOCKED')(failed[0].reason));
  });
});
