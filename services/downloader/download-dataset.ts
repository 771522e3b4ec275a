/** The archives of a dataset, a few at a time: what the command line and other programs call. */
import { setMaxListeners } from 'node:events';
import PQueue from 'p-queue';
import type { Archive, Dataset } from '../../lib/catalog/dataset-schema.js';
import { InterruptedError, messageOf, codeOf, UsageError } from '../../lib/core/errors.js';
import type { Reporter } from '../../lib/platform/progress.js';
import { urlCredentials, type HeadersFor } from './credentials.js';
import { downloadArchive, type ArchiveSummary } from './download-archive.js';
import { createHttpClient, type ProxyOptions } from './http-client.js';
import { createProgressBoard } from './progress-board.js';
import type { RateLimit } from './rate-limit.js';
import { createSpaceLedger, type SpaceLedger } from './space-ledger.js';
import { DEFAULT_TRANSFER_OPTIONS, type TransferOptions } from './transfer-options.js';

export type { ArchiveSummary } from './download-archive.js';

export interface DownloadOptions {
  /** Folder with `archives/`. */
  readonly root: string;
  readonly reporter: Reporter;
  /** Aborting it flushes what has come; the promise then rejects with InterruptedError. */
  readonly signal?: AbortSignal;
  /** Archives fetched at a time. Default 2: one is often held up by its server. */
  readonly concurrency?: number;
  /** Wait for another process that fetches the same archive, instead of failing. Default false. */
  readonly wait?: boolean;
  /** How fast bytes may come, over all archives; may be shared with other runs and changed while they go. Default: no limit. */
  readonly rateLimit?: RateLimit;
  /** Room promised to other runs that write to the same file system. Default: only this run's own. */
  readonly space?: SpaceLedger;
  /** Logins (see `readCredentials`). Default: those that stand in the URLs themselves. */
  readonly credentials?: HeadersFor;
  /** Default: none. */
  readonly proxy?: ProxyOptions;
  /** Times and limits that differ from the defaults. */
  readonly transfer?: Partial<TransferOptions>;
}

export interface ArchiveSelection {
  /** Names of the archives to fetch. Default: all that are not optional. */
  readonly files?: readonly string[] | undefined;
  /** Fetch the optional archives too. Default false. */
  readonly includeOptional?: boolean | undefined;
  /** Fetch every archive from `<baseUrl>/<file>` instead of its own sources. */
  readonly baseUrl?: string | undefined;
}

/** In the order of the catalog. */
export interface DownloadSummary {
  readonly archives: readonly ArchiveSummary[];
}

/** The archives that are meant, with their sources; folders are none. Throws UsageError for a name that the dataset does not have. */
export function selectArchives(dataset: Dataset, selection: ArchiveSelection): Archive[] {
  const { files, includeOptional = false, baseUrl } = selection;
  const names = new Set(dataset.archives.map(({ file }) => file));
  const unknown = files?.find((file) => !names.has(file));
  if (unknown !== undefined) {
    throw new UsageError(
      '--only',
      `--only: ${dataset.name} has no archive "${unknown}"; it has ${[...names].join(', ')}`,
    );
  }
  return dataset.archives
    .filter(({ folder }) => folder === undefined)
    .filter(({ file, optional }) => files?.includes(file) ?? (includeOptional || !optional))
    .map((archive) =>
      baseUrl === undefined ? archive : { ...archive, urls: [`${baseUrl.replace(/\/$/, '')}/${archive.file}`] },
    );
}

/**
 * Brings archives to `<root>/archives`, several at a time. One that fails does not stop the others; when all have ended the first
 * failure is thrown, the others have been reported as events `failed`. Throws what {@link downloadArchive} throws.
 */
export async function downloadArchives(
  archives: readonly Archive[],
  options: DownloadOptions,
): Promise<DownloadSummary> {
  const { root, reporter, signal, rateLimit, concurrency = 2, wait = false } = options;
  const { credentials = urlCredentials, proxy = {}, space = createSpaceLedger() } = options;
  const transfer = { ...DEFAULT_TRANSFER_OPTIONS, ...options.transfer };
  const dispatcher = createHttpClient(transfer.connectTimeoutMs, proxy);
  const queue = new PQueue({ concurrency });
  const board = createProgressBoard(archives, reporter);
  // Every connection waits for it, and Node takes more than ten for a leak.
  if (signal !== undefined) setMaxListeners(0, signal);
  try {
    const results = await Promise.allSettled(
      archives.map((archive) =>
        queue.add(async () => {
          if (signal?.aborted === true) throw new InterruptedError();
          return downloadArchive(archive, {
            ...{ root, reporter, signal, wait, transfer, dispatcher, credentials, rateLimit, space },
            onBytes: (done, total, detail) => board.update(archive.file, done, total, detail),
            onRetry: () => board.addRetry(archive.file),
          });
        }),
      ),
    );
    const failures = results.flatMap((result, index) =>
      result.status === 'rejected' ? [{ file: archives[index].file, error: result.reason as unknown }] : [],
    );
    if (failures.length > 0) {
      if (signal?.aborted !== true) reportOtherFailures(failures.slice(1), reporter);
      throw failures[0].error;
    }
    return { archives: results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])) };
  } finally {
    await dispatcher.destroy();
  }
}

function reportOtherFailures(failures: readonly { file: string; error: unknown }[], reporter: Reporter): void {
  for (const { file, error } of failures) {
    const message = messageOf(error);
    reporter.event('failed', message, { file, code: codeOf(error) ?? 'ERR_INTERNAL', message });
  }
}
