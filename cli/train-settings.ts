/** What a training run is set up with: the command's flags, and the defaults of the dataset where it is a known one. */
import { z } from 'zod';
import { findDataset } from '../lib/catalog/catalog.js';
import type { Dataset } from '../lib/catalog/dataset-schema.js';
import { UsageError } from '../lib/core/errors.js';
import { BACKEND_NAMES } from '../services/trainer/backend/backend.js';
import { MODEL_NAMES, type ModelName } from '../services/trainer/models/catalog.js';
import type { LearningRate } from '../services/trainer/solver/learning-rate.js';
import { PRESET_NAMES, PRESETS } from '../services/trainer/solver/presets.js';
import { UPDATE_RULE_NAMES } from '../services/trainer/solver/update-rules.js';
import { mergeSettings, type PartialRunSettings, type RunSettings } from '../services/trainer/train/run-settings.js';
import { datasetOfSource, readCaffeSolver, type CaffeSolver } from './caffe-solver.js';
import { integerFlag, numberFlag } from './command.js';
import { connectSchema } from './connect-flags.js';
import { streamFlagsSchema } from './stream-flags.js';

export const trainFlagsSchema = streamFlagsSchema.extend({
  ...connectSchema.shape,
  dataset: z.string().optional(),
  solver: z.string().optional(),
  preset: z.enum(PRESET_NAMES).optional(),
  weights: z.string().min(1).optional(),
  server: z.array(z.string().regex(/:\d+$/, 'expected host:port')).default(['127.0.0.1:50051']),
  split: z.string().optional(),
  testSplit: z.string().default('val'),
  rank: integerFlag(0).default(0),
  worldSize: integerFlag(1).default(1),
  model: z.enum(MODEL_NAMES).optional(),
  backend: z.enum(BACKEND_NAMES).default('auto'),
  batchSize: integerFlag(1, 65_536).optional(),
  crop: integerFlag(1, 8_192).optional(),
  // Commander sets it whether the user has said --no-mirror or nothing.
  mirror: z.boolean().transform((isMirrored) => (isMirrored ? undefined : false)),
  mean: z.enum(['channel', 'image']).optional(),
  seed: integerFlag(0).optional(),
  steps: integerFlag(1).optional(),
  rule: z.enum(UPDATE_RULE_NAMES).optional(),
  policy: z.enum(['fixed', 'cosine']).optional(),
  learningRate: numberFlag(1e-9, 100).optional(),
  warmUp: integerFlag(0).optional(),
  momentum: numberFlag(0, 0.999_999).optional(),
  weightDecay: numberFlag(0, 100).optional(),
  iterSize: integerFlag(1, 65_536).optional(),
  labelSmoothing: numberFlag(0, 0.999).optional(),
  displayEvery: integerFlag(0).optional(),
  testEvery: integerFlag(0).optional(),
  snapshotEvery: integerFlag(0).optional(),
  keepSnapshots: integerFlag(1).default(2),
  snapshots: z.string().min(1).optional(),
  resume: z.enum(['auto', 'never']).default('auto'),
});

export type TrainFlags = z.output<typeof trainFlagsSchema>;

/** The name that servers know a dataset by, and its training defaults when it is known here. */
interface TrainTarget {
  readonly name: string;
  readonly defaults: Partial<Dataset['train']>;
}

/** A name that nobody here knows may still be known to the server: then there are no defaults. */
async function findTrainTarget(nameOrFile: string): Promise<TrainTarget> {
  try {
    const dataset = await findDataset(nameOrFile);
    return { name: dataset.name, defaults: dataset.train };
  } catch (error) {
    if (error instanceof UsageError && /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(nameOrFile)) {
      return { name: nameOrFile, defaults: {} };
    }
    throw error;
  }
}

/** What to train on what, and how. */
export interface TrainPlan {
  /** Name of the dataset, as servers know it. */
  readonly dataset: string;
  readonly split: string;
  readonly modelName: ModelName;
  readonly settings: RunSettings;
  readonly solver: CaffeSolver | undefined;
}

/** Throws UsageError when it is not said what to train on; what reading the solver's files throws. */
export async function planTraining(flags: TrainFlags): Promise<TrainPlan> {
  const solver = flags.solver === undefined ? undefined : await readCaffeSolver(flags.solver);
  const source = flags.dataset ?? (solver && datasetOfSource(solver.net.source));
  if (source === undefined)
    throw new UsageError('<dataset>', '<dataset>: name the dataset to train on, or give --solver');
  const { name, defaults } = await findTrainTarget(typeof source === 'string' ? source : source.dataset);
  const split = flags.split ?? (typeof source === 'string' ? 'train' : source.split);
  if (solver !== undefined && flags.model === undefined && solver.net.model === undefined) {
    throw new UsageError(
      '--model',
      `--model: the net "${solver.net.name}" is none of ${MODEL_NAMES.join(', ')}; name the one that it is`,
    );
  }
  if (solver !== undefined && flags.preset !== undefined) {
    throw new UsageError('--preset', '--preset: give either a preset, or --solver');
  }
  const modelName = flags.model ?? solver?.net.model ?? 'small-convnet';
  const settings = settingsOf(flags, solver?.settings ?? defaultsOf(flags.preset ?? modelName, defaults));
  return { dataset: name, split, modelName, settings, solver };
}

/** The preset of that name, or of the reference model, or else the dataset's own defaults. */
function defaultsOf(preset: ModelName, defaults: TrainTarget['defaults']): PartialRunSettings {
  if (preset !== 'small-convnet') return PRESETS[preset];
  const { learningRate: baseRate, ...others } = defaults;
  if (baseRate === undefined) return others;
  return { ...others, solver: { learningRate: { policy: { type: 'fixed', baseRate }, numWarmUpSteps: 0 } } };
}

/** The flags over what there is without them. */
function settingsOf(flags: TrainFlags, base: PartialRunSettings): RunSettings {
  const { learningRate } = mergeSettings(base).solver;
  return mergeSettings(base, {
    batchSize: flags.batchSize,
    testBatchSize: flags.batchSize,
    cropSize: flags.crop,
    mirror: flags.mirror,
    mean: flags.mean,
    seed: flags.seed,
    numSteps: flags.steps,
    displayEvery: flags.displayEvery,
    testEvery: flags.testEvery,
    snapshotEvery: flags.snapshotEvery,
    solver: {
      rule: flags.rule,
      learningRate: changedRate(learningRate, flags),
      momentum: flags.momentum,
      weightDecay: flags.weightDecay,
      iterSize: flags.iterSize,
      labelSmoothing: flags.labelSmoothing,
    },
  });
}

function changedRate({ policy, numWarmUpSteps }: LearningRate, flags: TrainFlags): LearningRate {
  const baseRate = flags.learningRate ?? policy.baseRate;
  return {
    // The merge sets how long the cosine is.
    policy:
      flags.policy === undefined
        ? { ...policy, baseRate }
        : flags.policy === 'cosine'
          ? { type: 'cosine', baseRate, maxSteps: Infinity }
          : { type: 'fixed', baseRate },
    numWarmUpSteps: flags.warmUp ?? numWarmUpSteps,
  };
}
