/**
 * A worker process: makes one shard at a time for its parent, and goes when the parent does. Arguments: the parent's process id, and
 * libturbojpeg's path, or `none`.
 */
import { messageOf, MillraceError } from '../lib/core/errors.js';
import { findTurbojpeg } from '../lib/pixels/turbojpeg.js';
import { endWithParent } from '../lib/platform/parent-death.js';
import { toUnforeseenDiskError } from '../lib/platform/system-error.js';
import { convertShard } from './convert-shard.js';
import type { WorkerMessage, WorkerOrder } from './task.js';

/** Between two words of progress, which cost as much as a tenth of an image each. */
const PROGRESS_MS = 100;

/** How long an abandoned worker may take to clean up before it just ends. */
const GRACE_MS = 5_000;

const [parentPid, library] = process.argv.slice(2);
// Before anything else: a decoder that hangs hears of nothing.
endWithParent(Number(parentPid));

const controller = new AbortController();

// Ctrl-C in a terminal reaches all processes of its group; when to stop is the parent's to say, by closing the channel.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
process.on('disconnect', () => {
  controller.abort();
  setTimeout(() => process.exit(1), GRACE_MS).unref();
});
process.on('message', (order: WorkerOrder) => {
  void answer(order);
});

async function answer({ task, attempt }: WorkerOrder): Promise<void> {
  let saidAtMs = -Infinity;
  try {
    const observer = {
      onProgress(numDone: number) {
        const nowMs = performance.now();
        if (!attempt.isCareful && numDone < task.keys.length && nowMs - saidAtMs < PROGRESS_MS) return undefined;
        saidAtMs = nowMs;
        return say({ kind: 'progress', numDone });
      },
      onRejected: (rejected: ShardRejected) => void say({ kind: 'rejected', rejected }),
    };
    const { turbojpeg } = findTurbojpeg(library);
    await say({ kind: 'done', shard: await convertShard(task, attempt, turbojpeg, observer, controller.signal) });
  } catch (thrown) {
    const error = toUnforeseenDiskError(thrown);
    const isKnown = error instanceof MillraceError;
    const message = !isKnown && error instanceof Error ? String(error.stack) : messageOf(error);
    await say({
      kind: 'failed',
      code: isKnown ? error.code : undefined,
      message,
      context: isKnown ? error.context : {},
    });
  }
}

type ShardRejected = Extract<WorkerMessage, { kind: 'rejected' }>['rejected'];

/** Resolves once it is on its way. */
async function say(message: WorkerMessage): Promise<void> {
  // The parent may have gone between two records; what is said then is for nobody.
  if (!process.connected) return;
  await new Promise<void>((resolve) => process.send?.(message, undefined, undefined, () => resolve()));
}
