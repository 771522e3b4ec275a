import type { Reporter } from '../../lib/platform/progress.js';
import type { Backend } from '../../services/trainer/backend/backend.js';
import { createModel } from '../../services/trainer/models/catalog.js';
import { DEFAULT_SOLVER } from '../../services/trainer/solver/sgd.js';
import type { TrainOptions } from '../../services/trainer/train/options.js';
import { memoryStream, NUM_CLASSES, SIDE } from '../unit/services/trainer/memory-stream.js';

export const BATCH_SIZE = 32;

export const silent: Reporter = { progress: () => undefined, event: () => undefined, close: () => undefined };

/** A run over made-up images: 8 steps an epoch, so that a few steps cross one. */
export function runOptions(backend: Backend, snapshotFolder: string): TrainOptions {
  return {
    backend,
    model: createModel('small-convnet', [SIDE, SIDE, 3], NUM_CLASSES),
    solver: { ...DEFAULT_SOLVER, learningRate: { type: 'step', baseRate: 0.02, gamma: 0.5, stepSize: 10 } },
    key: { seed: 3, datasetVersion: 'made-up', globalBatchSize: BATCH_SIZE },
    openStream: (position) => memoryStream({ split: 0, numSamples: 8 * BATCH_SIZE, batchSize: BATCH_SIZE }, position),
    openTestStream: () =>
      memoryStream({ split: 1, numSamples: 100, batchSize: BATCH_SIZE, endOfEpoch: 'pad' }, undefined, 1),
    numSteps: 20,
    displayEvery: 0,
    testEvery: 0,
    snapshotEvery: 3,
    snapshotFolder,
    resume: 'auto',
    reporter: silent,
  };
}
