/** Converting what is missing of a split. */
import { InterruptedError, throwIfAborted } from '../lib/core/errors.js';
import type { Reporter } from '../lib/platform/progress.js';
import type { ShardRecord } from '../lib/shards/shard-record.js';
import { findShard } from './find-shard.js';
import type { SplitPlan } from './plan.js';
import { RejectCounter, type RejectLimit } from './reject-limit.js';
import { createLocalQueue } from './task-queue.js';
import type { StageTimes } from './stage-times.js';
import type { WorkerPool } from './worker-pool.js';

export interface ConvertSplitOptions {
  readonly pool: WorkerPool;
  /** Shards made at a time. */
  readonly numWorkers: number;
  readonly maxRejected: RejectLimit;
  /** Which shards are ours to make; the rest are somebody else's. */
  readonly isOurs: (shard: number) => boolean;
  /** Folder of another version of the split. Its shards are taken, by hard link, where they would come to be the same. */
  readonly earlier?: string | undefined;
  /** What the work is called in the progress line. */
  readonly stage: string;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
}

export interface ConvertSplitResult {
  /** Of our shards, in order. */
  readonly records: readonly ShardRecord[];
  /** Records gone through in this run; those of shards that were there already are not counted. */
  readonly numConverted: number;
  readonly seconds: number;
  /** Of each shard that was made in this run. */
  readonly times: readonly StageTimes[];
}

/**
 * Makes, in the split's existing folder, those of our shards that are not there, or were made from other records or options.
 * Throws ERR_TOO_MANY_REJECTED, InterruptedError (once the shards under way are finished), and what {@link WorkerPool.convert} does; in any case only when no worker is
 * at work any more. Shards that were finished stay.
 */
export async function convertSplit(
  plan: SplitPlan,
  folder: string,
  options: ConvertSplitOptions,
): Promise<ConvertSplitResult> {
  const stop = new AbortController();
  const counter = new RejectCounter(plan.numRecords, options.maxRejected);
  const ours = Array.from({ length: plan.numShards }, (_, shard) => shard).filter(options.isOurs);
  const doneOfShard = new Map<number, number>();
  const total = ours.reduce((sum, shard) => sum + recordsOf(plan, shard), 0);
  const times: StageTimes[] = [];
  let numReused = 0;
  const begunAtMs = performance.now();

  const tell = (shard: number, numDone: number): void => {
    doneOfShard.set(shard, numDone);
    const done = [...doneOfShard.values()].reduce((sum, count) => sum + count, 0);
    options.reporter.progress({ stage: options.stage, unit: 'images', done, total });
  };

  // The first failure is the one to tell of: the others are its consequences.
  let failure: { readonly cause: unknown } | undefined;
  const fail = (cause: unknown): void => {
    failure ??= { cause };
    // An interruption lets the shards that are under way be finished: they are what the next run need not do.
    if (!(cause instanceof InterruptedError)) stop.abort();
  };
  const queue = createLocalQueue(options.numWorkers, async (shard: number): Promise<ShardRecord | undefined> => {
    try {
      throwIfAborted(options.signal);
      throwIfAborted(stop.signal);
      const task = plan.taskOf(shard, folder);
      const found = await findShard(task, options.earlier);
      if (found !== undefined) {
        numReused += task.keys.length;
        for (const rejected of found.rejected) counter.add(rejected);
        tell(shard, task.keys.length);
        return found;
      }
      const observer = {
        onProgress: (numDone: number) => tell(shard, numDone),
        onRejected: (rejected: ShardRecord['rejected'][number]) => {
          try {
            counter.add(rejected);
          } catch (error) {
            fail(error);
          }
        },
      };
      const made = await options.pool.convert(task, observer, stop.signal);
      times.push(made.times);
      return made.record;
    } catch (error) {
      fail(error);
      return undefined;
    }
  });
  const records = await Promise.all(ours.map((shard) => queue.submit(shard)));
  if (failure !== undefined) throw failure.cause;
  return {
    records: records.filter((record) => record !== undefined),
    numConverted: total - numReused,
    seconds: (performance.now() - begunAtMs) / 1000,
    times,
  };
}

function recordsOf(plan: SplitPlan, shard: number): number {
  const { shardSamples } = plan.options;
  return Math.min(shardSamples, plan.numRecords - shard * shardSamples);
}
