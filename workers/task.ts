/** What the parent and a worker process say to each other. All of it passes Node's structured clone. */
import type { ErrorCode, ErrorContext } from '../lib/core/errors.js';
import type { PrepareOptions } from '../lib/shards/manifest.js';
import type { Rejected, ShardRecord } from '../lib/shards/shard-record.js';
import type { StageTimes } from './stage-times.js';

/** Those of a split's options that decide what a record holds. */
export type RecordOptions = Omit<PrepareOptions, 'shuffleSeed' | 'shardSamples'>;

/** One shard to make: all that a worker needs to know. The same task gives the same bytes, wherever and whenever it runs. */
export interface ConvertTask {
  /** Where the shard will stand. */
  readonly folder: string;
  /** Name of the archive, for the list of rejected records. */
  readonly archive: string;
  /** What the members are in: a tar, a zip, or a folder. */
  readonly membersPath: string;
  readonly options: RecordOptions;
  /** SHA-256 over the records and the options, hex. */
  readonly taskDigest: string;
  /** Of each record, in ascending order. The arrays below are as long. */
  readonly keys: readonly string[];
  readonly labels: Int32Array;
  /** Where the member's stretch begins in that file; NaN when the archive has no such member. */
  readonly offsets: Float64Array;
  readonly sizes: Float64Array;
  /** When members are files of a folder: their names below `membersPath`. */
  readonly files?: readonly string[] | undefined;
}

/** How a task is tried. */
export interface Attempt {
  /** After a worker was lost on the task: one record at a time, each one told of before it is begun. */
  readonly isCareful: boolean;
  /** Records that are not even to be read, by their index in the task, and why. */
  readonly leftOut: ReadonlyMap<number, string>;
}

/** What a worker is sent. */
export interface WorkerOrder {
  readonly task: ConvertTask;
  readonly attempt: Attempt;
}

/** What comes of a task. */
export interface ConvertedShard {
  readonly record: ShardRecord;
  readonly times: StageTimes;
}

export type WorkerMessage =
  /**
   * `numDone` records of the task are written or rejected: told now and then, or of each record when the attempt is careful. Its
   * absence for long means that the worker hangs.
   */
  | { readonly kind: 'progress'; readonly numDone: number }
  | { readonly kind: 'rejected'; readonly rejected: Rejected }
  | { readonly kind: 'done'; readonly shard: ConvertedShard }
  /** The task cannot be done, by this worker or another one. */
  | {
      readonly kind: 'failed';
      /** Undefined: a bug, with its stack as the message. */
      readonly code: ErrorCode | undefined;
      readonly message: string;
      readonly context: ErrorContext;
    };
