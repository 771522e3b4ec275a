/** One run of a job: the same download that `millrace download` makes, told to whoever listens to the queue. */
import { messageOf, MillraceError } from '../../../lib/core/errors.js';
import type { Logger } from '../../../lib/platform/logger.js';
import type { Reporter } from '../../../lib/platform/progress.js';
import { downloadArchive, type ArchiveContext } from '../download-archive.js';
import type { Job, JobStatus } from './job.js';

/** What listeners of a queue hear. `job` is the job itself, which changes on. */
export type QueueUpdate =
  | { readonly kind: 'state' | 'progress'; readonly job: Job }
  | {
      readonly kind: 'event';
      readonly job: Job;
      readonly name: string;
      readonly text: string;
      readonly fields: Readonly<Record<string, unknown>>;
    };

export interface RunOptions extends Omit<ArchiveContext, 'reporter' | 'onBytes' | 'onRetry' | 'wait' | 'signal'> {
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly tell: (update: QueueUpdate) => void;
}

/** Resolves with what became of the job, undefined when it was stopped; what has come is then flushed. Never rejects. */
export async function runJob(job: Job, options: RunOptions): Promise<JobStatus | undefined> {
  const { signal, log, tell, ...context } = options;
  try {
    const summary = await downloadArchive(job.archive, {
      ...context,
      signal,
      // Whoever else fetches it: it is wanted, and nobody is there to say so again.
      wait: true,
      reporter: reporterOf(job, options),
      onBytes(done, total, detail) {
        Object.assign(job, { bytesDone: done, bytesTotal: total, detail });
        tell({ kind: 'progress', job });
      },
      // The event says it.
      onRetry: () => undefined,
    });
    const { bytes, bytesFetched, resumedAt, md5, isVerified, seconds } = summary;
    return { state: 'done', result: { bytes, bytesFetched, resumedAt: [...resumedAt], md5, isVerified, seconds } };
  } catch (error) {
    if (signal.aborted) return undefined;
    log.warn({ err: error, file: job.file }, 'download failed');
    const code = error instanceof MillraceError ? error.code : 'ERR_INTERNAL';
    return { state: 'failed', code, message: messageOf(error) };
  } finally {
    job.detail = undefined;
  }
}

function reporterOf(job: Job, { log, tell }: RunOptions): Reporter {
  return {
    event(name, text, fields = {}) {
      log.info({ event: name, ...fields }, text);
      tell({ kind: 'event', job, name, text, fields });
    },
    // An archive's own bytes are told by onBytes.
    progress: () => undefined,
    close: () => undefined,
  };
}
