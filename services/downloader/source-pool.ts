/**
 * The sources of one archive: which of them to ask next, when one that failed may be asked again, and when all are given up.
 * Times are those of a steady clock: a system clock that jumps changes nothing.
 */
import { backoffMs } from '../../lib/core/backoff.js';
import { MillraceError, throwIfAborted } from '../../lib/core/errors.js';
import { formatDuration, type Reporter } from '../../lib/platform/progress.js';
import { Bell } from './bell.js';
import type { Validator } from './response-headers.js';
import { displayUrl, sourceKey } from './source-url.js';
import { TransferBrokenError, TransferRefusedError } from './transfer-errors.js';
import type { TransferOptions } from './transfer-options.js';

export interface Source {
  readonly url: string;
  /** See source-url.ts. */
  readonly key: string;
  /** State of the file there, once it has answered in this run; set by who reads the answer. */
  validator: Validator | undefined;
}

export interface SourcePoolOptions {
  /** For messages. */
  readonly file: string;
  /** Best first. */
  readonly urls: readonly string[];
  /** Whether bytes of several sources may be joined: only where a digest proves the whole. Else one is used up before the next. */
  readonly canMix: boolean;
  readonly limits: TransferOptions;
  readonly reporter: Reporter;
  /** Called for each exchange that broke. */
  readonly onRetry: () => void;
}

/** One exchange with a source; it tells of the bytes as they come. */
export type Exchange = (source: Source, countBytes: (numBytes: number) => void) => Promise<void>;

class Entry implements Source {
  readonly url: string;
  readonly key: string;
  validator: Validator | undefined;
  /** Exchanges under way. */
  numActive = 0;
  /** Tries in a row without a byte. */
  numFailures = 0;
  /** Not asked before. */
  restUntilMs = 0;
  /** Exchanges that it has been seen to allow at once, until then. */
  busy: { readonly maxActive: number; readonly untilMs: number } | undefined;
  /** Of its last exchange, in bytes per millisecond. */
  rate: { readonly value: number; readonly untilMs: number } | undefined;
  /** Why it will not give the right bytes in this run. */
  refusal: TransferRefusedError | undefined;
  lastError: TransferBrokenError | undefined;

  constructor(url: string) {
    this.url = url;
    this.key = sourceKey(url);
  }

  isFree(nowMs: number): boolean {
    const { busy } = this;
    const maxActive = busy !== undefined && nowMs < busy.untilMs ? busy.maxActive : Infinity;
    return this.restUntilMs <= nowMs && this.numActive < maxActive;
  }

  /** What one more connection may expect; a source that has not been measured of late is worth a try. */
  worth(nowMs: number): number {
    const { rate } = this;
    const isKnown = rate !== undefined && nowMs < rate.untilMs;
    return (isKnown ? rate.value : Number.MAX_SAFE_INTEGER) / (this.numActive + 1);
  }
}

/** How long a rate, or a limit on connections, is believed. */
const MEMORY_MS = 60_000;
/** Bytes, or milliseconds from the first one on, below which a rate says little of a source. */
const MIN_RATED_BYTES = 1 << 20;
const MIN_RATED_MS = 250;

export class SourcePool {
  readonly #entries: Entry[];
  readonly #options: SourcePoolOptions;
  readonly #changed = new Bell();

  constructor(options: SourcePoolOptions) {
    this.#options = options;
    this.#entries = options.urls.map((url) => new Entry(url));
  }

  /** Whether there is another source that may give bytes. */
  hasOther(source: Source): boolean {
    return this.#options.canMix && this.#hopeful().some((entry) => entry !== source);
  }

  /**
   * Has `exchange` talk to the best source that is free, waiting for one if need be. What breaks or is refused is reported and
   * counts against the source; other errors are thrown. Throws ERR_TRANSFER_REFUSED when the last source is refused, ERR_TRANSFER
   * when all are given up, InterruptedError.
   */
  async attempt(signal: AbortSignal | undefined, exchange: Exchange): Promise<void> {
    const entry = await this.#take(signal);
    let firstAtMs: number | undefined;
    let numBytes = 0;
    try {
      await exchange(entry, (more) => {
        firstAtMs ??= performance.now();
        numBytes += more;
        entry.numFailures = 0;
      });
    } catch (error) {
      if (error instanceof TransferRefusedError) this.#refuse(entry, error);
      else if (error instanceof TransferBrokenError) this.#fail(entry, error, numBytes > 0);
      else throw error;
    } finally {
      entry.numActive--;
      const nowMs = performance.now();
      const ms = nowMs - (firstAtMs ?? nowMs);
      if (numBytes >= MIN_RATED_BYTES || ms >= MIN_RATED_MS) {
        entry.rate = { value: numBytes / (ms + 1), untilMs: nowMs + MEMORY_MS };
      }
      this.#changed.ring();
    }
  }

  async #take(signal: AbortSignal | undefined): Promise<Entry> {
    while (true) {
      throwIfAborted(signal);
      const candidates = this.#candidates();
      const nowMs = performance.now();
      const free = candidates.filter((entry) => entry.isFree(nowMs));
      const best = free.toSorted((a, b) => b.worth(nowMs) - a.worth(nowMs)).at(0);
      if (best !== undefined) {
        best.numActive++;
        return best;
      }
      const nextMs = Math.min(...candidates.map(({ restUntilMs }) => restUntilMs).filter((atMs) => atMs > nowMs));
      await this.#changed.wait(nextMs - nowMs, signal);
    }
  }

  /** Those that may still give bytes. Throws when there are none. */
  #candidates(): Entry[] {
    const left = this.#entries.filter(({ refusal }) => refusal === undefined);
    const hopeful = this.#hopeful();
    if (hopeful.length === 0) throw this.#failureOf(left);
    return this.#options.canMix ? left : hopeful.slice(0, 1);
  }

  #hopeful(): Entry[] {
    return this.#entries.filter((entry) => entry.refusal === undefined && !this.#isGivenUp(entry));
  }

  #isGivenUp({ numFailures }: Entry): boolean {
    return numFailures >= this.#options.limits.maxAttempts;
  }

  #refuse(entry: Entry, error: TransferRefusedError): void {
    if (entry.refusal !== undefined) return;
    entry.refusal = error;
    if (this.#entries.every(({ refusal }) => refusal !== undefined)) throw error;
    this.#reportDropped(entry, error);
  }

  #fail(entry: Entry, error: TransferBrokenError, hasBrought: boolean): void {
    const { limits } = this.#options;
    const nowMs = performance.now();
    this.#options.onRetry();
    if (error.isBusy && entry.numActive > 1) {
      // It is our own other connections that keep it busy.
      entry.busy = { maxActive: entry.numActive - 1, untilMs: nowMs + MEMORY_MS };
      this.#reportBusy(entry, entry.busy.maxActive);
      return;
    }
    entry.lastError = error;
    entry.numFailures = hasBrought ? 0 : entry.numFailures + 1;
    if (this.#isGivenUp(entry)) {
      entry.restUntilMs = nowMs + limits.retireMs;
      this.#reportDropped(entry, this.#failureOf([entry]));
      return;
    }
    const backoff = backoffMs(entry.numFailures, limits.backoff);
    const waitMs = Math.min(error.retryAfterMs ?? backoff, limits.maxRetryAfterMs);
    entry.restUntilMs = Math.max(entry.restUntilMs, nowMs + waitMs);
    this.#reportRetry(error, waitMs);
  }

  #failureOf(entries: readonly Entry[]): MillraceError {
    const last = entries.findLast(({ lastError }) => lastError !== undefined)?.lastError;
    const message = last?.message ?? `${this.#options.file} has no source left`;
    const text = `${message}; given up after ${this.#options.limits.maxAttempts} tries without a byte`;
    return new MillraceError('ERR_TRANSFER', `${text}. The same command goes on where this one stopped`, {
      isRetryable: true,
      cause: last,
      ...(last !== undefined && { context: last.context }),
    });
  }

  #reportRetry(error: TransferBrokenError, waitMs: number): void {
    const { file, reporter } = this.#options;
    const text = `${file}: ${error.message}; trying again in ${formatDuration(waitMs / 1000)}`;
    reporter.event('retry', text, { file, ...error.context, reason: error.reason, waitMs });
  }

  #reportBusy({ url }: Entry, maxActive: number): void {
    const { file, reporter } = this.#options;
    const text = `${file}: ${displayUrl(url)} takes no more than ${maxActive} connections just now`;
    reporter.event('busy', text, { file, url: displayUrl(url), maxConnections: maxActive });
  }

  /** Only when there is another one to go on with; else it is the error of the whole. */
  #reportDropped(dropped: Entry, error: MillraceError): void {
    const { file, reporter } = this.#options;
    const next = this.#hopeful().find((entry) => entry !== dropped);
    if (next === undefined) return;
    const text = `${error.message}\n${file}: going on with ${displayUrl(next.url)}`;
    reporter.event('source-failed', text, { file, code: error.code, message: error.message });
  }
}
