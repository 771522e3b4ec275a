/** A worker process: makes one shard at a time for its parent, and goes when the parent does. */
import { messageOf, MillraceError } from '../lib/core/errors.js';
import { convertShard } from './convert-shard.js';
import type { ConvertTask, WorkerMessage } from './task.js';

/** How long an abandoned worker may take to clean up before it just ends. */
const GRACE_MS = 5_000;

const controller = new AbortController();

// Ctrl-C in a terminal reaches all processes of its group; when to stop is the parent's to say, by closing the channel.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
process.on('disconnect', () => {
  controller.abort();
  setTimeout(() => process.exit(1), GRACE_MS).unref();
});
process.on('message', (task: ConvertTask) => {
  void answer(task);
});

async function answer(task: ConvertTask): Promise<void> {
  try {
    const observer = {
      onProgress: (numDone: number) => say({ kind: 'progress', numDone }),
      onRejected: (rejected: ShardRejected) => say({ kind: 'rejected', rejected }),
    };
    say({ kind: 'done', shard: await convertShard(task, observer, controller.signal) });
  } catch (error) {
    const isKnown = error instanceof MillraceError;
    const message = !isKnown && error instanceof Error ? String(error.stack) : messageOf(error);
    say({ kind: 'failed', code: isKnown ? error.code : undefined, message, context: isKnown ? error.context : {} });
  }
}

type ShardRejected = Extract<WorkerMessage, { kind: 'rejected' }>['rejected'];

function say(message: WorkerMessage): void {
  // The parent may have gone between two records; what is said then is for nobody.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}
