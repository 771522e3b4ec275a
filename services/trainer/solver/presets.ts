/** What the reference models are trained with, by the model's name. */
import type { ModelName } from '../models/catalog.js';
import type { PartialRunSettings } from '../train/run-settings.js';

/** Of Caffe's models/bvlc_alexnet and models/bvlc_reference_caffenet: solver.prototxt and train_val.prototxt. */
const ALEXNET: PartialRunSettings = {
  solver: {
    rule: 'sgd',
    learningRate: { policy: { type: 'step', baseRate: 0.01, gamma: 0.1, stepSize: 100_000 }, numWarmUpSteps: 0 },
    momentum: 0.9,
    weightDecay: 0.0005,
  },
  batchSize: 256,
  testBatchSize: 50,
  cropSize: 227,
  mean: 'image',
  numSteps: 450_000,
  testEvery: 1_000,
  snapshotEvery: 10_000,
};

/** Of Caffe's models/bvlc_googlenet: quick_solver.prototxt and train_val.prototxt. */
const GOOGLENET: PartialRunSettings = {
  solver: {
    rule: 'sgd',
    learningRate: { policy: { type: 'poly', baseRate: 0.01, power: 0.5, maxSteps: 2_400_000 }, numWarmUpSteps: 0 },
    momentum: 0.9,
    weightDecay: 0.0002,
  },
  batchSize: 32,
  testBatchSize: 50,
  cropSize: 224,
  mean: 'channel',
  numSteps: 2_400_000,
  displayEvery: 40,
  testEvery: 4_000,
  snapshotEvery: 40_000,
};

/** 90 epochs of ILSVRC2012 in batches of 256, of which 5 warm up (Goyal et al. 2017), along a cosine (He et al. 2018). */
const RESNET: PartialRunSettings = {
  solver: {
    rule: 'sgd',
    learningRate: { policy: { type: 'cosine', baseRate: 0.1, maxSteps: 450_360 }, numWarmUpSteps: 25_020 },
    momentum: 0.9,
    weightDecay: 0.0001,
    labelSmoothing: 0.1,
  },
  batchSize: 256,
  cropSize: 224,
  mean: 'channel',
  numSteps: 450_360,
  testEvery: 5_004,
  snapshotEvery: 5_004,
};

/** The small convnet has none: it learns by the dataset's own settings. */
export type PresetName = Exclude<ModelName, 'small-convnet'>;

export const PRESETS: Readonly<Record<PresetName, PartialRunSettings>> = {
  caffenet: ALEXNET,
  alexnet: ALEXNET,
  googlenet: GOOGLENET,
  'resnet-18': RESNET,
  'resnet-34': RESNET,
  'resnet-50': RESNET,
};

export const PRESET_NAMES = Object.keys(PRESETS) as [PresetName, ...PresetName[]];
