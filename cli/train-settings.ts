/** What a training run is set up with: the command's flags, and the defaults of the dataset where it is a known one. */
import { z } from 'zod';
import { findDataset } from '../lib/catalog/catalog.js';
import type { Dataset } from '../lib/catalog/dataset-schema.js';
import { UsageError } from '../lib/core/errors.js';
import { completeTransform, PRESET_NAMES } from '../lib/core/presets.js';
import type { SampleShape } from '../lib/core/tensor.js';
import type { Transform } from '../lib/core/transform.js';
import { BACKEND_NAMES } from '../services/trainer/backend/backend.js';
import { MODEL_NAMES } from '../services/trainer/models/catalog.js';
import { integerFlag, numberFlag } from './command.js';

export const trainFlagsSchema = z.object({
  dataset: z.string(),
  server: z.array(z.string().regex(/:\d+$/, 'expected host:port')).default(['127.0.0.1:50051']),
  tlsCa: z.string().optional(),
  split: z.string().default('train'),
  testSplit: z.string().default('val'),
  model: z.enum(MODEL_NAMES).default('small-convnet'),
  backend: z.enum(BACKEND_NAMES).default('auto'),
  batchSize: integerFlag(1, 65_536).optional(),
  crop: integerFlag(1, 8_192).optional(),
  mirror: z.boolean().default(true),
  mean: z.enum(['channel', 'image']).optional(),
  preset: z.enum(PRESET_NAMES).optional(),
  cropMode: z.enum(['random', 'random-resized']).optional(),
  colorJitter: numberFlag(0, 1).optional(),
  lighting: numberFlag(0, 1).optional(),
  mixup: numberFlag(0, 2).optional(),
  cutmix: numberFlag(0, 2).optional(),
  labelSmoothing: numberFlag(0, 0.99).default(0),
  shuffle: z.enum(['full', 'blocks', 'none']).default('full'),
  balanceClasses: z.boolean().default(false),
  classes: z.array(integerFlag(0)).optional(),
  ids: z.string().min(1).optional(),
  seed: integerFlag(0).default(0),
  steps: integerFlag(1).optional(),
  learningRate: numberFlag(1e-9, 100).optional(),
  displayEvery: integerFlag(0).default(20),
  testEvery: integerFlag(0).default(0),
  snapshotEvery: integerFlag(0).default(50),
  snapshots: z.string().min(1).optional(),
  resume: z.enum(['auto', 'never']).default('auto'),
});

export type TrainFlags = z.output<typeof trainFlagsSchema>;

/** The name that servers know a dataset by, and its training defaults when it is known here. */
export interface TrainTarget {
  readonly name: string;
  readonly defaults: Partial<Dataset['train']>;
}

/** A name that nobody here knows may still be known to the server: then there are no defaults. */
export async function findTrainTarget(nameOrFile: string): Promise<TrainTarget> {
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

/** What training batches go through, and what test batches do: the same, with the middle of each image and nothing drawn. */
export function transformsOf(
  flags: TrainFlags,
  defaults: TrainTarget['defaults'],
  shape: SampleShape,
): { readonly train: Transform; readonly test: Transform } {
  const hasPreset = flags.preset !== undefined;
  const side = Math.min(shape.height, shape.width);
  const jitter = flags.colorJitter;
  const train = completeTransform(
    {
      preset: flags.preset,
      cropSize: flags.crop ?? (hasPreset ? undefined : (defaults.cropSize ?? Math.round(side * 0.875))),
      cropMode: flags.cropMode,
      // A preset knows whether to mirror; only --no-mirror goes before it.
      mirror: flags.mirror && hasPreset ? undefined : flags.mirror,
      mean: flags.mean ?? (hasPreset ? undefined : 'channel'),
      colorJitter:
        jitter === undefined ? undefined : { brightness: jitter, contrast: jitter, saturation: jitter, hue: 0 },
      lighting: flags.lighting,
      mixing: { mixupAlpha: flags.mixup ?? 0, cutmixAlpha: flags.cutmix ?? 0 },
      layout: 'NHWC',
    },
    '--preset',
  );
  const { cropSize, mean, meanValues, scale, std, channelOrder, layout } = train;
  const normalization = { mean, meanValues, scale, std, channelOrder, layout };
  return { train, test: completeTransform({ cropSize, cropMode: 'center', ...normalization }) };
}
