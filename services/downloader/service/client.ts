/** A download that a service makes for us: asked for, watched, and told as if it were made here. */
import type { Archive } from '../../../lib/catalog/dataset-schema.js';
import { backoffMs } from '../../../lib/core/backoff.js';
import { InterruptedError, MillraceError, type ErrorCode } from '../../../lib/core/errors.js';
import { sleep } from '../../../lib/platform/lifecycle.js';
import { formatDuration, type Reporter } from '../../../lib/platform/progress.js';
import { toRpcError } from '../../../lib/rpc/rpc-error.js';
import { AddRequest, JobState, type Job, type WatchResponse } from '../../../protos/gen/millrace/v1/download.js';
import type { ArchiveSummary, DownloadSummary } from '../download-dataset.js';
import { createProgressBoard, type ProgressBoard } from '../progress-board.js';
import { dial, type ServiceAccess, type ServiceConnection } from './dial.js';

export interface ServiceDownloadOptions extends ServiceAccess {
  readonly archives: readonly Archive[];
  readonly reporter: Reporter;
  /** Higher goes first. Default 0. */
  readonly priority?: number;
  /** Aborting it ends the watching, not the download. */
  readonly signal?: AbortSignal | undefined;
  /** Tries in a row to reach the service. Default 10, with the waits of {@link backoffMs} between them: about a minute. */
  readonly maxAttempts?: number;
}

/**
 * Has the service bring `archives` to its own root, and resolves when all of them are there. A service that goes away and comes
 * back is gone on with. One archive that fails does not stop the others; the first failure is thrown when all have ended, the
 * others have been reported as events `failed`.
 * Throws UsageError naming the field of the request, what the download of an archive throws, ERR_INTERRUPTED when `signal` is
 * aborted or somebody cancels a job at the service, ERR_UNAVAILABLE when the service cannot be reached.
 */
export async function downloadThroughService(options: ServiceDownloadOptions): Promise<DownloadSummary> {
  const { service, archives, reporter, signal, maxAttempts = 10 } = options;
  const board = createProgressBoard(archives, reporter);
  const connection = dial(options, {
    // A service that vanished without a word is noticed.
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 20_000,
    // Our own back-off decides when to try again.
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 1_000,
  });
  try {
    for (let attempt = 0; ; attempt++) {
      const heard = new Map<string, Job>();
      try {
        await add(connection, options);
        await watch(connection, options, board, heard);
        return summaryOf(options, heard);
      } catch (thrown) {
        const error = toRpcError(thrown, service);
        if (heard.size > 0) attempt = 0;
        if (!error.isRetryable || attempt + 1 >= maxAttempts) throw error;
        const waitMs = backoffMs(attempt);
        const text = `${error.message}; trying again in ${formatDuration(waitMs / 1000)}`;
        reporter.event('reconnect', text, { service, reason: error.message, waitMs });
        await sleep(waitMs, signal);
      }
      if (signal?.aborted === true) throw detached();
    }
  } finally {
    connection.client.close();
  }
}

function detached(): InterruptedError {
  return new InterruptedError('no longer watching; the service goes on with the download');
}

async function add({ client, metadata }: ServiceConnection, options: ServiceDownloadOptions): Promise<void> {
  const { archives, priority = 0 } = options;
  const dataset = { name: 'archives', about: 'sent by a client', archives, splits: {} };
  const request = AddRequest.fromPartial({
    datasetJson: JSON.stringify(dataset),
    // Which of them are wanted has been decided.
    includeOptional: true,
    priority,
  });
  await new Promise<void>((resolve, reject) => {
    client.add(request, metadata, (error) => (error === null ? resolve() : reject(error)));
  });
}

/** Fills `heard` with the jobs as they are, until all have ended. */
async function watch(
  { client, metadata }: ServiceConnection,
  options: ServiceDownloadOptions,
  board: ProgressBoard,
  heard: Map<string, Job>,
): Promise<void> {
  const { archives, reporter, signal } = options;
  const call = client.watch({ files: archives.map(({ file }) => file) }, metadata);
  const cancel = (): void => call.cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  if (signal?.aborted === true) cancel();
  try {
    for await (const { job, event } of call as AsyncIterable<WatchResponse>) {
      if (event?.name === 'retry') board.addRetry(event.file);
      if (event !== undefined) {
        reporter.event(event.name, event.text, JSON.parse(event.fieldsJson) as Record<string, unknown>);
      }
      if (job === undefined) continue;
      const { file, bytesDone, bytesTotal, detail } = job;
      if (job.state === JobState.PAUSED && heard.get(file)?.state !== JobState.PAUSED) {
        reporter.event('paused', `${file}: paused at the service`, { file });
      }
      heard.set(file, job);
      board.update(file, bytesDone, bytesTotal === 0 ? undefined : bytesTotal, detail === '' ? undefined : detail);
    }
  } catch (error) {
    throw signal?.aborted === true ? detached() : error;
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}

function summaryOf({ archives, reporter, service }: ServiceDownloadOptions, jobs: Map<string, Job>): DownloadSummary {
  const summaries: ArchiveSummary[] = [];
  const failures: MillraceError[] = [];
  for (const { file } of archives) {
    const { state, result, error } = jobs.get(file) ?? {};
    if (result !== undefined) summaries.push({ file, ...result });
    else if (state === JobState.CANCELLED) {
      failures.push(
        new InterruptedError(`${file}: somebody cancelled it at ${service}; the same command asks for it again`),
      );
    } else {
      const code = (error?.code ?? 'ERR_INTERNAL') as ErrorCode;
      failures.push(new MillraceError(code, error?.message ?? `${file}: no result came`, { context: { file } }));
    }
  }
  if (failures.length === 0) return { archives: summaries };
  for (const { code, message, context } of failures.slice(1))
    reporter.event('failed', message, { ...context, code, message });
  throw failures[0];
}
