/** What a run is given and what it gives back. */
import type { Reporter } from '../../../lib/platform/progress.js';
import type { Backend } from '../backend/backend.js';
import type { Batch, StreamPosition } from '../client/batch.js';
import type { Model } from '../models/model.js';
import type { SolverSettings } from '../solver/settings.js';
import type { RunKey } from './checkpoint.js';
import type { Evaluation } from './evaluate.js';
import type { NamedTensor } from './safetensors.js';

export interface TrainOptions {
  readonly backend: Backend;
  readonly model: Model;
  readonly solver: SolverSettings;
  readonly key: Omit<RunKey, 'rule'>;
  /** Weights that a fresh run begins with, by name; those of another shape, and those that are not here, are filled. */
  readonly initialWeights?: ReadonlyMap<string, NamedTensor> | undefined;
  /** Batches from a position on, epoch after epoch; it must not end before `numSteps`. Closed when the run ends. */
  readonly openStream: (position: StreamPosition) => AsyncIterable<Batch>;
  /** The batches to test on, once through. */
  readonly openTestStream: () => AsyncIterable<Batch>;
  /** Steps of the whole run, those of earlier processes included. */
  readonly numSteps: number;
  /** Steps between two lines about the loss; 0 for none. */
  readonly displayEvery: number;
  /** Steps between two tests; 0 for the one at the end alone. */
  readonly testEvery: number;
  /** Steps between two checkpoints; 0 for those at the end or at an interruption alone. */
  readonly snapshotEvery: number;
  /** Checkpoints that stay, the newest ones; at least 1. */
  readonly keepSnapshots: number;
  /** Where checkpoints and the log live; made if need be. One run at a time has it. */
  readonly snapshotFolder: string;
  /** `auto` goes on from the newest checkpoint in the folder, if any; `never` begins anew and leaves none of the old ones. */
  readonly resume: 'auto' | 'never';
  /** Kept in the checkpoints, for those who use them: class names, the mean. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Stops the run between two steps, with a checkpoint. */
  readonly signal?: AbortSignal | undefined;
  readonly reporter: Reporter;
}

export interface TrainResult {
  /** Steps of the whole run. */
  readonly steps: number;
  /** Loss of the run's first step, whichever process made it. */
  readonly firstLoss: number | undefined;
  readonly lastLoss: number | undefined;
  /** The test after the last step. */
  readonly accuracy: Evaluation;
  /** Images learnt from per second in this process, tests and checkpoints left out; 0 when there was no step left to do. */
  readonly imagesPerSecond: number;
  /** Share of that time spent waiting for data after the first batch, `[0, 1]`: the data stall. */
  readonly waitShare: number;
  /** Milliseconds until the first batch came; 0 when there was no step left to do. */
  readonly firstWaitMs: number;
  /** Losses by step of the whole run, as the log has them. */
  readonly losses: readonly number[];
  /** Path of the log, `log.csv`. */
  readonly log: string;
  /** Path of the last checkpoint. */
  readonly checkpoint: string;
}
