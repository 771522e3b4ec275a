/** What a training run is set up with: the command's flags, and the defaults of the dataset where it is a known one. */
import { z } from 'zod';
import { findDataset } from '../lib/catalog/catalog.js';
import type { Dataset } from '../lib/catalog/dataset-schema.js';
import { UsageError } from '../lib/core/errors.js';
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
  mean: z.enum(['channel', 'image']).default('channel'),
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
