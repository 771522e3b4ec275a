import type { ServerWritableStream } from '@grpc/grpc-js';
import type { Event, WatchRequest, WatchResponse } from '../../../../protos/gen/millrace/v1/download.js';
import { MillraceError } from '../../../../lib/core/errors.js';
import { holderOf } from '../../../../lib/rpc/guard.js';
import { unknownToken } from '../../../../lib/rpc/token-holder.js';
import type { ServiceContext } from '../context.js';
import type { Job } from '../job.js';
import type { QueueUpdate } from '../run-job.js';
import { wireJobOf } from '../wire-job.js';

/** Milliseconds between two messages about the bytes of a job; changes of state go at once. */
const PROGRESS_MS = 250;

/**
 * Watch: the jobs as they are, then each change. Resolves when the jobs that were named have ended, or the client is gone. A
 * client that does not read costs no memory: it gets the latest state of each job when it reads again, and misses events.
 * Throws ERR_NOT_FOUND, ERR_UNAVAILABLE when the service drains, ERR_UNAUTHENTICATED when the token is taken away.
 */
export async function watch(
  { queue, draining }: ServiceContext,
  call: ServerWritableStream<WatchRequest, WatchResponse>,
): Promise<void> {
  const named = queue.named(call.request.files);
  const isWatched = (job: Job): boolean => named.length === 0 || named.includes(job);
  const unsaid = new Set(queue.list().filter(isWatched));
  const revoked = holderOf(call)?.revoked;
  let isFull = false;
  let timer: NodeJS.Timeout | undefined;

  const write = (message: WatchResponse): void => {
    isFull = !call.write(message);
  };
  await new Promise<void>((resolve, reject) => {
    const flush = (): void => {
      clearTimeout(timer);
      timer = undefined;
      for (const job of unsaid) {
        if (isFull) return;
        unsaid.delete(job);
        write({ job: wireJobOf(job) });
      }
      if (named.length > 0 && named.every((job) => job.hasEnded)) finish();
    };
    const hear = (update: QueueUpdate): void => {
      if (!isWatched(update.job)) return;
      if (update.kind === 'event') {
        if (!isFull) write({ event: wireEventOf(update) });
        return;
      }
      unsaid.add(update.job);
      if (update.kind === 'state') flush();
      else timer ??= setTimeout(flush, PROGRESS_MS);
    };
    const sendAway = (): void =>
      finish(new MillraceError('ERR_UNAVAILABLE', 'this service is going away; its queue is kept'));
    const lockOut = (): void => finish(unknownToken());
    const finish = (error?: Error): void => {
      clearTimeout(timer);
      unsubscribe();
      draining.removeEventListener('abort', sendAway);
      revoked?.removeEventListener('abort', lockOut);
      if (error === undefined) resolve();
      else reject(error);
    };

    const unsubscribe = queue.subscribe(hear);
    draining.addEventListener('abort', sendAway);
    revoked?.addEventListener('abort', lockOut);
    call.on('cancelled', () => finish());
    call.on('drain', () => {
      isFull = false;
      flush();
    });
    flush();
  });
}

function wireEventOf({ job, name, text, fields }: QueueUpdate & { readonly kind: 'event' }): Event {
  return { file: job.file, name, text, fieldsJson: JSON.stringify(fields) };
}
