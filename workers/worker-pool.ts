/**
 * Worker processes that make shards. Processes, not threads: a decoder that crashes takes its shard with it, not the run, and
 * libvips gains nothing from threads of ours.
 */
import { dirname } from 'node:path';
import { sweepTemporaries } from '../lib/platform/atomic-file.js';
import type { ConvertObserver } from './convert-shard.js';
import { LossJournal } from './loss-journal.js';
import type { ConvertedShard, ConvertTask, WorkerOrder } from './task.js';
import { WorkerLost, WorkerProcess } from './worker-process.js';

export interface WorkerPoolOptions {
  /** Path of libturbojpeg, which decodes most JPEGs, or `none`. */
  readonly turbojpeg: string;
  /** Milliseconds without a word after which a worker is held to hang. A word is due several times a second. */
  readonly timeoutMs: number;
  /** Called when a worker was lost and its task is given to another one. */
  readonly onLost?: (message: string) => void;
}

export interface WorkerPool {
  /**
   * Makes one shard in a worker of its own: an idle one, or a new one. How many run at a time is the caller's to limit.
   *
   * A lost worker's shard is begun again by another one, and a record that loses one after the other is left out: see
   * {@link LossJournal}.
   * Throws ERR_WORKER_LOST, naming shard and image, when that does not help; InterruptedError when the signal is aborted, once the worker has cleaned up; and what the task failed of.
   */
  convert(task: ConvertTask, observer: ConvertObserver, signal: AbortSignal): Promise<ConvertedShard>;
  /** Ends the idle workers. Only when no task is under way. */
  close(): Promise<void>;
}

/** A little more than the worker gives itself. */
const STOP_GRACE_MS = 6_000;

export function createWorkerPool({ turbojpeg, timeoutMs, onLost }: WorkerPoolOptions): WorkerPool {
  const idle: WorkerProcess[] = [];

  const tryOnce = async (
    order: WorkerOrder,
    observer: ConvertObserver,
    signal: AbortSignal,
  ): Promise<ConvertedShard> => {
    let worker = idle.pop();
    while (worker?.hasExited === true) worker = idle.pop();
    worker ??= new WorkerProcess(turbojpeg);
    try {
      const shard = await worker.convert(order, observer, timeoutMs, signal);
      idle.push(worker);
      return shard;
    } catch (error) {
      await worker.stop(error instanceof WorkerLost ? 0 : STOP_GRACE_MS);
      throw error;
    }
  };

  return {
    async convert(task, observer, signal) {
      const losses = new LossJournal(task);
      for (;;) {
        try {
          return await tryOnce({ task, attempt: losses.nextAttempt() }, observer, signal);
        } catch (error) {
          if (!(error instanceof WorkerLost)) throw error;
          await sweepTemporaries(dirname(task.folder));
          onLost?.(losses.add(error));
        }
      }
    },
    async close() {
      await Promise.all(idle.splice(0).map((worker) => worker.stop(STOP_GRACE_MS)));
    },
  };
}
