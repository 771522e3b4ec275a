/**
 * Worker processes that make shards. Processes, not threads: a decoder that crashes takes its shard with it, not the run, and
 * libvips gains nothing from threads of ours.
 */
import { dirname } from 'node:path';
import { MillraceError } from '../lib/core/errors.js';
import { sweepTemporaries } from '../lib/platform/atomic-file.js';
import type { ConvertObserver } from './convert-shard.js';
import type { ConvertedShard, ConvertTask } from './task.js';
import { WorkerLost, WorkerProcess } from './worker-process.js';

export interface WorkerPoolOptions {
  /** Milliseconds without a word after which a worker is held to hang. A word is due after every record. */
  readonly timeoutMs: number;
  /** Called when a worker was lost and its task is given to another one. */
  readonly onLost?: (message: string) => void;
}

export interface WorkerPool {
  /**
   * Makes one shard in a worker of its own: an idle one, or a new one. How many run at a time is the caller's to limit.
   * Throws ERR_WORKER_LOST, naming shard and image, when the third worker in a row is lost on it; InterruptedError when the
   * signal is aborted, once the worker has cleaned up; and what the task failed of.
   */
  convert(task: ConvertTask, observer: ConvertObserver, signal: AbortSignal): Promise<ConvertedShard>;
  /** Ends the idle workers. Only when no task is under way. */
  close(): Promise<void>;
}

const MAX_TRIES = 3;
/** A little more than the worker gives itself. */
const STOP_GRACE_MS = 6_000;

export function createWorkerPool({ timeoutMs, onLost }: WorkerPoolOptions): WorkerPool {
  const idle: WorkerProcess[] = [];

  const tryOnce = async (
    task: ConvertTask,
    observer: ConvertObserver,
    signal: AbortSignal,
  ): Promise<ConvertedShard> => {
    const worker = idle.pop() ?? new WorkerProcess();
    try {
      const shard = await worker.convert(task, observer, timeoutMs, signal);
      idle.push(worker);
      return shard;
    } catch (error) {
      await worker.stop(error instanceof WorkerLost ? 0 : STOP_GRACE_MS);
      throw error;
    }
  };

  return {
    async convert(task, observer, signal) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await tryOnce(task, observer, signal);
        } catch (error) {
          if (!(error instanceof WorkerLost)) throw error;
          await sweepTemporaries(dirname(task.folder));
          const key = task.keys[Math.min(error.position, task.keys.length - 1)];
          const what = `a worker making ${task.folder} ${error.message} at or just after image ${key}`;
          if (attempt === MAX_TRIES) {
            throw new MillraceError(
              'ERR_WORKER_LOST',
              `${what}, as ${MAX_TRIES - 1} before it; raise --worker-timeout if the machine is slow, else report the image`,
              {
                cause: error,
                context: { path: task.folder, key },
              },
            );
          }
          onLost?.(`${what}; the shard is begun again`);
        }
      }
    },
    async close() {
      await Promise.all(idle.splice(0).map((worker) => worker.stop(STOP_GRACE_MS)));
    },
  };
}
