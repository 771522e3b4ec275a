import type { Reporter } from '../../lib/platform/progress.js';
import type { Backend } from '../../services/trainer/backend/backend.js';
import type { Client } from '../../services/trainer/client/client.js';
import { batchNormalization } from '../../services/trainer/models/layers/batch-norm.js';
import { convolution, MSRA } from '../../services/trainer/models/layers/convolution.js';
import { dense } from '../../services/trainer/models/layers/dense.js';
import { dropout } from '../../services/trainer/models/layers/dropout.js';
import { relu, scale, sequence } from '../../services/trainer/models/layers/layer.js';
import { averagePooling, globalAveragePooling } from '../../services/trainer/models/layers/pooling.js';
import { modelOf, type Model } from '../../services/trainer/models/model.js';
import { DEFAULT_SOLVER } from '../../services/trainer/solver/settings.js';
import type { TrainOptions } from '../../services/trainer/train/options.js';
import type { SplitFixture } from '../fixtures/split.js';
import { memoryStream, NUM_CLASSES, SIDE } from '../unit/services/trainer/memory-stream.js';

export const BATCH_SIZE = 32;

export const silent: Reporter = { progress: () => undefined, event: () => undefined, close: () => undefined };

/** A small net with all that a resumed run could trip over: running statistics, and dropout. */
export function createTestNet(side = SIDE): Model {
  const poolSize = side / SIDE;
  const network = sequence(
    averagePooling({ size: poolSize, stride: poolSize }),
    scale(1 / 64),
    convolution('conv1', { size: 5, stride: 2, pad: 2, numOutputs: 16, weight: MSRA, bias: 'none' }),
    batchNormalization('bn1'),
    relu,
    convolution('conv2', { size: 3, stride: 2, pad: 1, numOutputs: 32, weight: MSRA, bias: 0 }),
    relu,
    globalAveragePooling,
    dropout('drop', 0.2),
    dense('fc', NUM_CLASSES, { weight: { type: 'gaussian', std: 0.01 }, bias: 0 }),
  );
  return modelOf('test-net', [side, side, 3], NUM_CLASSES, network);
}

/** A run over made-up images: 8 steps an epoch, so that a few steps cross one. */
export function runOptions(backend: Backend, snapshotFolder: string): TrainOptions {
  return {
    backend,
    model: createTestNet(),
    solver: {
      ...DEFAULT_SOLVER,
      learningRate: { policy: { type: 'step', baseRate: 0.02, gamma: 0.5, stepSize: 10 }, numWarmUpSteps: 3 },
    },
    key: { seed: 3, datasetVersion: 'made-up', globalBatchSize: BATCH_SIZE },
    openStream: (position) => memoryStream({ split: 0, numSamples: 8 * BATCH_SIZE, batchSize: BATCH_SIZE }, position),
    openTestStream: () =>
      memoryStream({ split: 1, numSamples: 100, batchSize: BATCH_SIZE, endOfEpoch: 'pad' }, undefined, 1),
    numSteps: 20,
    displayEvery: 0,
    testEvery: 0,
    snapshotEvery: 3,
    keepSnapshots: 2,
    snapshotFolder,
    resume: 'auto',
    reporter: silent,
  };
}

/** A split for real servers: noise, in images so large that not many batches can be under way at once. */
export const SERVED_SPLIT: SplitFixture = {
  dataset: 'noise',
  split: 'train',
  numSamples: 50,
  shape: { height: 240, width: 240, channels: 3 },
  shardSamples: 20,
};
const CROP_SIZE = 14 * SIDE;

/** A run fed by servers. */
export function servedOptions(
  backend: Backend,
  client: Client,
  snapshotFolder: string,
  numSteps: number,
): TrainOptions {
  const { dataset, split } = SERVED_SPLIT;
  const transform = { cropSize: CROP_SIZE, mirror: true, mean: 'channel' } as const;
  const stream = { dataset, split, batchSize: 8, seed: 3, transform };
  return {
    ...runOptions(backend, snapshotFolder),
    model: createTestNet(CROP_SIZE),
    key: { seed: 3, datasetVersion: 'noise', globalBatchSize: 8 },
    openStream: (from) => client.stream({ ...stream, from }),
    openTestStream: () => client.stream({ ...stream, epochs: 1 }),
    numSteps,
  };
}
