/** The train loop: take a batch, make a step, and now and then tell, test, and keep what has been learnt. */
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { InterruptedError, MillraceError, throwIfAborted } from '../../../lib/core/errors.js';
import { acquireLock } from '../../../lib/platform/lock-file.js';
import type { Batch, StreamPosition } from '../client/batch.js';
import { learningRateAt } from '../solver/learning-rate.js';
import { numValidOf } from './batch-tensors.js';
import { openCheckpointFolder, readCheckpoint, type CheckpointFolder } from './checkpoint-folder.js';
import { checkResumable, checkSolverState, checkWeights, type RunKey, type RunProgress } from './checkpoint.js';
import { evaluate, type Evaluation } from './evaluate.js';
import { createLearner, dropoutKeyOf, initialState, type Learner, type LearnerState } from './learner.js';
import type { TrainOptions, TrainResult } from './options.js';
import { openRunLog, RUN_LOG_FILE, type RunLog } from './run-log.js';
import { createStopwatch } from './stopwatch.js';

/**
 * Trains up to `numSteps`, tests, and leaves a checkpoint. Stopped at any step and run again with `resume: 'auto'` it comes to the
 * same losses and weights, bit for bit on the same backend.
 *
 * Throws InterruptedError when the signal is aborted, and what the streams throw, both with a checkpoint of the last whole step
 * left; ERR_DIVERGED when the loss is no number any more; ERR_OPTIONS_DIFFER or ERR_VERSION_CHANGED when the newest checkpoint is
 * another run's; ERR_VERIFICATION when it is damaged; ERR_LOCKED when another process has the folder; ERR_DISK.
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const { snapshotFolder } = options;
  const folder = await openCheckpointFolder(snapshotFolder, options.keepSnapshots);
  const lock = await acquireLock(join(snapshotFolder, '.lock'));
  try {
    const { learner, progress } = await begin(options, folder);
    try {
      const log = await openRunLog(join(snapshotFolder, RUN_LOG_FILE), progress.runStep);
      try {
        return await run(options, folder, log, learner, progress);
      } finally {
        await log.close();
      }
    } finally {
      learner.dispose();
    }
  } finally {
    await lock.release();
  }
}

function runKeyOf({ key, solver }: TrainOptions): RunKey {
  return { ...key, rule: solver.rule };
}

/** A learner in the newest checkpoint's state, or in that of a fresh run. The state itself is held by nobody behind it. */
async function begin(
  options: TrainOptions,
  folder: CheckpointFolder,
): Promise<{ learner: Learner; progress: RunProgress }> {
  const { backend, model, solver, key, resume, initialWeights, reporter } = options;
  const path = resume === 'auto' ? await folder.newest() : undefined;
  if (path === undefined) {
    return {
      learner: createLearner(backend, model, solver, initialState(model, solver, key.seed, initialWeights)),
      progress: { runStep: 0, position: { epoch: 0, step: 0 }, firstLoss: undefined, lastLoss: undefined },
    };
  }
  const checkpoint = await readCheckpoint(path);
  checkResumable(checkpoint, model, runKeyOf(options), path);
  checkWeights(model, checkpoint.weights, path);
  checkSolverState(model, solver.rule, checkpoint.solver, path);
  const { runStep } = checkpoint.progress;
  const madeOn = checkpoint.annotations['backend'] ?? backend.name;
  const change = madeOn === backend.name ? '' : `; made on ${madeOn}, it will not go on to the same bits here`;
  reporter.event('resume', `going on after step ${runStep}, from ${path}${change}`, { runStep, path, madeOn });
  return { learner: createLearner(backend, model, solver, checkpoint), progress: checkpoint.progress };
}

async function run(
  options: TrainOptions,
  folder: CheckpointFolder,
  log: RunLog,
  learner: Learner,
  start: RunProgress,
): Promise<TrainResult> {
  const { backend, model, solver, numSteps, signal, reporter, annotations = {} } = options;
  const key = runKeyOf(options);
  const stopwatch = createStopwatch();
  let progress = start;
  let saved: { runStep: number; path: string } | undefined;
  let firstWaitMs: number | undefined;
  let tested: { runStep: number; accuracy: Evaluation } | undefined;

  const save = async (): Promise<string> => {
    if (saved?.runStep !== progress.runStep) {
      const state = await learner.state();
      // A ReLU may take NaN for 0, so that the loss alone does not tell.
      if (!isFiniteState(state)) throw divergence(progress.runStep, 'a weight');
      const path = await folder.save({ model, key, progress, annotations, ...state });
      saved = { runStep: progress.runStep, path };
    }
    return saved.path;
  };
  const test = async (): Promise<Evaluation> => {
    const { runStep } = progress;
    if (tested?.runStep !== runStep) {
      const accuracy = await evaluate(backend, model, learner.weights(), options.openTestStream(), signal);
      tested = { runStep, accuracy };
      await log.test(runStep, accuracy);
      const { top1, top5, loss, numSamples } = accuracy;
      reporter.event(
        'test',
        `step ${runStep}: ${percent(top1)} right, ${percent(top5)} within five guesses, loss ${loss.toFixed(4)}, ${numSamples} images`,
        { runStep, ...accuracy },
      );
    }
    return tested.accuracy;
  };
  const tell = async ({ epoch }: Batch, loss: number): Promise<void> => {
    const { runStep } = progress;
    const learningRate = learningRateAt(solver.learningRate, runStep - 1);
    await log.step({ runStep, epoch, loss, learningRate, ...stopwatch.lap() });
    reporter.progress({
      stage: 'train',
      unit: 'steps',
      done: runStep,
      total: numSteps,
      detail: `loss ${loss.toFixed(4)}`,
    });
    if (isDue(runStep, options.displayEvery)) {
      const { imagesPerSecond, waitShare } = stopwatch.rates();
      reporter.event(
        'step',
        `step ${runStep}: loss ${loss.toFixed(4)}, rate ${Number(learningRate.toPrecision(4))}, ` +
          `${imagesPerSecond.toFixed(imagesPerSecond < 10 ? 1 : 0)} images/s, ${percent(waitShare)} of it waiting for data`,
        { runStep, loss, learningRate, imagesPerSecond, waitShare },
      );
    }
  };

  /** Losses of the batches that the step under way has taken. */
  let losses: number[] = [];
  let position = progress.position;
  /** Learns from a batch; true when that made a whole step. */
  const learn = async (batch: Batch): Promise<boolean> => {
    checkPosition(batch, position);
    const { runStep, firstLoss } = progress;
    const loss = await learner.accumulate(batch, dropoutKeyOf(key.seed, runStep, losses.length));
    if (!Number.isFinite(loss)) throw divergence(runStep + 1, 'the loss');
    losses.push(loss);
    position = positionAfter(batch);
    if (losses.length === solver.iterSize) learner.update(runStep);
    stopwatch.endWork(numValidOf(batch));
    if (losses.length < solver.iterSize) return false;

    const lastLoss = losses.reduce((sum, value) => sum + value, 0) / losses.length;
    losses = [];
    progress = { runStep: runStep + 1, position, firstLoss: firstLoss ?? lastLoss, lastLoss };
    await tell(batch, lastLoss);
    return true;
  };

  try {
    if (progress.runStep < numSteps) {
      const openedMs = performance.now();
      for await (const batch of options.openStream(progress.position)) {
        firstWaitMs ??= performance.now() - openedMs;
        // Until its first batch comes, a run is starting up, not stalled.
        if (progress === start) stopwatch.leaveOut();
        else stopwatch.endWait();
        if (await learn(batch)) {
          if (isDue(progress.runStep, options.snapshotEvery)) await save();
          if (isDue(progress.runStep, options.testEvery)) await test();
          throwIfAborted(signal);
          if (progress.runStep >= numSteps) break;
        }
        stopwatch.leaveOut();
        // A step computes on this thread: only here can signals be heard and batches come in.
        await nextTurn();
        // A wait begins when the batch has still not come.
        stopwatch.endWork(0);
      }
    }
    if (progress.runStep < numSteps) {
      throw new MillraceError('ERR_OUT_OF_RANGE', `the stream ended after step ${progress.runStep} of ${numSteps}`);
    }
  } catch (error) {
    const hasDiverged = error instanceof MillraceError && error.code === 'ERR_DIVERGED';
    if (!hasDiverged && progress !== start) await save();
    throw signal?.aborted === true ? new InterruptedError() : error;
  }
  const checkpoint = await save();
  const accuracy = await test();
  const { runStep: steps, firstLoss, lastLoss } = progress;
  return {
    steps,
    firstLoss,
    lastLoss,
    accuracy,
    ...stopwatch.rates(),
    firstWaitMs: firstWaitMs ?? 0,
    losses: log.losses.map(({ loss }) => loss),
    log: join(options.snapshotFolder, RUN_LOG_FILE),
    checkpoint,
  };
}

function isDue(runStep: number, every: number): boolean {
  return every > 0 && runStep % every === 0;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function positionAfter({ epoch, step, isLastStep }: Batch): StreamPosition {
  return isLastStep ? { epoch: epoch + 1, step: 0 } : { epoch, step: step + 1 };
}

function checkPosition(batch: Batch, wanted: StreamPosition): void {
  if (batch.epoch === wanted.epoch && batch.step === wanted.step) return;
  throw new MillraceError(
    'ERR_INTERNAL',
    `the stream gave step ${batch.step} of epoch ${batch.epoch} where step ${wanted.step} of epoch ${wanted.epoch} was due`,
  );
}

function isFiniteState({ weights, solver }: LearnerState): boolean {
  return [...weights.values(), ...solver.values()].every(({ data }) => data.every(Number.isFinite));
}

function divergence(runStep: number, what: string): MillraceError {
  return new MillraceError(
    'ERR_DIVERGED',
    `${what} is no number any more at step ${runStep}; lower the learning rate and begin with --resume never`,
    { context: { runStep } },
  );
}
