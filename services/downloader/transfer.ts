/** Brings a part to its last byte from one source: asks for what is missing, judges the answer, tries again as long as it may help. */
import type { Archive } from '../../lib/catalog/dataset-schema.js';
import { backoffMs } from '../../lib/core/backoff.js';
import { MillraceError, throwIfAborted } from '../../lib/core/errors.js';
import { sleep } from '../../lib/platform/lifecycle.js';
import { packageVersion } from '../../lib/platform/package-root.js';
import { formatBytes, formatDuration, type Reporter } from '../../lib/platform/progress.js';
import { headProblem, withHead } from './body-head.js';
import { requireSpace } from './free-space.js';
import { httpGet, type HttpOptions, type Response } from './http-get.js';
import type { PartFile } from './part-file.js';
import { agreesWith } from './response-headers.js';
import { judgeResponse, type Asked, type Verdict } from './response-verdict.js';
import { TransferBrokenError, TransferRefusedError } from './transfer-errors.js';

/** What the transfers of an archive did, added up over tries and sources. */
export interface TransferTally {
  /** Bytes of bodies received. */
  bytesFetched: number;
  /** Offsets at which a broken transfer was gone on with. */
  readonly resumedAt: number[];
}

export interface TransferContext extends HttpOptions {
  readonly archive: Archive;
  readonly reporter: Reporter;
  readonly tally: TransferTally;
  /** Called as bytes come. */
  readonly onBytes: (done: number, total: number | undefined) => void;
}

/**
 * Fetches from `url` until `part` is whole; data and journal are flushed whenever a try ends, however it ends.
 * Throws ERR_TRANSFER_REFUSED when the source cannot give the file, ERR_TRANSFER when its tries are used up, ERR_DISK,
 * InterruptedError.
 */
export async function transfer(url: string, part: PartFile, context: TransferContext): Promise<void> {
  await new Transfer(url, part, context).run();
}

class Transfer {
  readonly #url: string;
  readonly #part: PartFile;
  readonly #context: TransferContext;
  #restartsLeft: number;
  /** Why the next request asks for the whole file though a part is at hand. */
  #wholeBecause: string | undefined;

  constructor(url: string, part: PartFile, context: TransferContext) {
    this.#url = url;
    this.#part = part;
    this.#context = context;
    this.#restartsLeft = context.transfer.maxRestarts;
  }

  async run(): Promise<void> {
    const { archive, reporter, signal, tally, transfer: limits } = this.#context;
    let attempt = 0;
    while (!this.#part.isWhole) {
      throwIfAborted(signal);
      const fetchedBefore = tally.bytesFetched;
      try {
        await this.#fetchOnce();
      } catch (error) {
        if (!(error instanceof TransferBrokenError)) throw error;
        attempt = tally.bytesFetched > fetchedBefore ? 0 : attempt + 1;
        if (attempt >= limits.maxAttempts) throw this.#givenUp(attempt, error);
        const waitMs = Math.min(error.retryAfterMs ?? backoffMs(attempt, limits.backoff), limits.maxRetryAfterMs);
        const text = `${archive.file}: ${error.reason}; trying again in ${formatDuration(waitMs / 1000)}`;
        reporter.event('retry', text, { file: archive.file, reason: error.reason, waitMs });
        await sleep(waitMs, signal);
      }
    }
  }

  async #fetchOnce(): Promise<void> {
    const part = this.#part;
    const asked: Asked = {
      offset: this.#canResume() ? part.offset : 0,
      totalBytes: part.source?.totalBytes,
      // Another source has its own idea of validators.
      validator: part.source?.url === this.#url ? part.source.validator : undefined,
      expectedBytes: this.#context.archive.bytes,
    };
    const response = await httpGet(this.#url, requestHeaders(asked), this.#context);
    try {
      const verdict = judgeResponse(response.status, response.headers, asked, Date.now());
      switch (verdict.kind) {
        case 'refuse':
          throw this.#refused(verdict.reason);
        case 'retry':
          throw new TransferBrokenError(this.#url, verdict.reason, { retryAfterMs: verdict.retryAfterMs });
        case 'ask-whole':
          this.#wholeBecause = verdict.reason;
          break;
        case 'complete':
          part.continueFrom({ url: this.#url, validator: asked.validator, totalBytes: verdict.totalBytes });
          break;
        case 'rest':
          await this.#takeRest(response, verdict);
          break;
        case 'whole':
          this.#wholeBecause ??= restartReason(response, asked);
          await this.#takeWhole(response, verdict);
          break;
      }
    } finally {
      response.discard();
      await part.checkpoint();
    }
  }

  /** Bytes are only joined when something proves them parts of one file: a validator, or the digest at the end. */
  #canResume(): boolean {
    const { offset, source } = this.#part;
    if (this.#wholeBecause !== undefined || offset === 0 || source === undefined) return false;
    if (source.url === this.#url && source.validator !== undefined) return true;
    const { md5, bytes } = this.#context.archive;
    return md5 !== undefined && (source.totalBytes ?? bytes) !== undefined;
  }

  async #takeRest(response: Response, { totalBytes, validator }: Verdict & { kind: 'rest' }): Promise<void> {
    const part = this.#part;
    const { archive, reporter, tally } = this.#context;
    const { offset } = part;
    await requireSpace(part.path, totalBytes - offset);
    part.continueFrom({ url: this.#url, validator, totalBytes });
    tally.resumedAt.push(offset);
    const text = `${archive.file}: resumed at ${formatBytes(offset)} of ${formatBytes(totalBytes)}`;
    reporter.event('resumed', text, { file: archive.file, offset });
    for await (const chunk of response.readBody()) await this.#take(chunk, totalBytes);
    this.#requireEnd(totalBytes);
  }

  async #takeWhole(response: Response, verdict: Verdict & { kind: 'whole' }): Promise<void> {
    const part = this.#part;
    const { archive } = this.#context;
    const hasDigest = archive.md5 !== undefined;
    const totalBytes = verdict.totalBytes ?? archive.bytes;
    if (!verdict.isDelimited && totalBytes === undefined && !hasDigest) {
      throw this.#refused('nobody says how long the file is, so that a cut would go unnoticed; give its MD5');
    }
    let isBegun = false;
    for await (const chunk of withHead(response.readBody())) {
      if (!isBegun) {
        // Only now is what is at hand given up: a page that says "log in" must not cost the part.
        const problem = headProblem(archive.file, chunk, hasDigest);
        if (problem !== undefined) throw this.#refused(problem);
        if (totalBytes !== undefined) await requireSpace(part.path, totalBytes - part.offset);
        await this.#beginAnew({ validator: verdict.validator, totalBytes });
        isBegun = true;
      }
      await this.#take(chunk, totalBytes);
    }
    if (totalBytes === undefined) {
      part.continueFrom({ url: this.#url, validator: verdict.validator, totalBytes: part.offset });
    } else {
      this.#requireEnd(totalBytes);
    }
  }

  async #beginAnew(source: Pick<Verdict & { kind: 'whole' }, 'validator' | 'totalBytes'>): Promise<void> {
    const { archive, reporter } = this.#context;
    const reason = this.#wholeBecause ?? '';
    this.#wholeBecause = undefined;
    if (this.#part.offset > 0) {
      if (this.#restartsLeft-- === 0) throw this.#refused(`begun anew too often: ${reason}; use another source`);
      reporter.event('restarted', `${archive.file}: starting over: ${reason}`, { file: archive.file, reason });
    }
    await this.#part.restart({ url: this.#url, ...source });
  }

  async #take(chunk: Buffer, totalBytes: number | undefined): Promise<void> {
    const part = this.#part;
    if (totalBytes !== undefined && part.offset + chunk.length > totalBytes) {
      throw this.#refused(`the server sends more than the ${totalBytes} bytes of the file`);
    }
    this.#context.tally.bytesFetched += chunk.length;
    await part.append(chunk);
    this.#context.onBytes(part.offset, totalBytes);
  }

  #requireEnd(totalBytes: number): void {
    const { offset } = this.#part;
    if (offset < totalBytes) {
      throw new TransferBrokenError(this.#url, `the body ended at byte ${offset} of ${totalBytes}`);
    }
  }

  #refused(reason: string): TransferRefusedError {
    return new TransferRefusedError(this.#url, reason);
  }

  #givenUp(attempt: number, last: TransferBrokenError): MillraceError {
    const { offset } = this.#part;
    return new MillraceError(
      'ERR_TRANSFER',
      `${last.message}; given up after ${attempt} tries without a byte. The same command goes on at byte ${offset}`,
      { isRetryable: true, cause: last, context: { ...last.context, offset } },
    );
  }
}

function requestHeaders({ offset, validator }: Asked): Record<string, string> {
  return {
    'user-agent': `millrace/${packageVersion()}`,
    'accept-encoding': 'identity',
    ...(offset > 0 && { range: `bytes=${offset}-` }),
    ...(offset > 0 && validator !== undefined && { 'if-range': validator.value }),
  };
}

function restartReason({ headers }: Response, { offset, validator }: Asked): string {
  if (offset === 0) return 'nothing proves the part to be of this file';
  const isSame = validator === undefined || agreesWith(headers, validator);
  return isSame ? 'the server does not resume (it answered 200)' : 'the file changed on the server';
}
