/** Brings a part to its last byte: asks for what is missing, judges the answer, tries again as long as it may help. */
import { setMaxListeners } from 'node:events';
import type { Archive } from '../../lib/catalog/dataset-schema.js';
import { throwIfAborted } from '../../lib/core/errors.js';
import { formatBytes, type Reporter } from '../../lib/platform/progress.js';
import { headProblem, readHead } from './body-head.js';
import { hasDigest } from './expected-digest.js';
import { httpGet, type HttpOptions, type Response } from './http-get.js';
import { Intake, type TransferTally } from './intake.js';
import type { PartFile, PartSource } from './part-file.js';
import { preallocate } from './preallocate.js';
import type { RateLimit } from './rate-limit.js';
import { requestHeaders } from './request-headers.js';
import { headerOf, type Validator } from './response-headers.js';
import { judgeResponse, restartReason, type Asked, type Verdict } from './response-verdict.js';
import { SegmentCrew } from './segment-crew.js';
import type { Segment } from './segment-plan.js';
import type { Source, SourcePool } from './source-pool.js';
import type { SpaceLedger } from './space-ledger.js';
import { TransferBrokenError, TransferRefusedError } from './transfer-errors.js';
import { segmentBytesOf } from './transfer-options.js';

export interface TransferContext extends HttpOptions {
  readonly archive: Archive;
  readonly sources: SourcePool;
  readonly rateLimit: RateLimit | undefined;
  readonly space: SpaceLedger;
  readonly reporter: Reporter;
  readonly tally: TransferTally;
  /** Called as bytes come. */
  readonly onBytes: (done: number, total: number | undefined) => void;
}

/**
 * Fetches until `part` is whole; data and journal are flushed whenever a try ends, however it ends. Throws what
 * {@link SourcePool.attempt} throws, ERR_DISK, ERR_LOCKED, InterruptedError.
 */
export async function transfer(part: PartFile, context: TransferContext): Promise<void> {
  await new Transfer(part, context).run();
}

/** One answer of a source, and what was asked. */
interface Answer {
  readonly source: Source;
  readonly countBytes: (numBytes: number) => void;
  readonly asked: Asked;
  readonly response: Response;
  readonly http: HttpOptions;
  /** Ends this exchange and the crew's. */
  readonly stop: AbortController;
}

class Transfer {
  readonly #part: PartFile;
  readonly #intake: Intake;
  readonly #context: TransferContext;
  readonly #hasDigest: boolean;
  #restartsLeft: number;
  /** Why the next request asks for the whole file though a part is at hand. */
  #wholeBecause: string | undefined;
  /** The connections beside the one that this class holds. */
  #crew: SegmentCrew | undefined;

  constructor(part: PartFile, context: TransferContext) {
    this.#part = part;
    this.#context = context;
    this.#intake = new Intake({ part, ...context });
    this.#hasDigest = hasDigest(context.archive);
    this.#restartsLeft = context.transfer.maxRestarts;
  }

  async run(): Promise<void> {
    const { signal, sources } = this.#context;
    while (!this.#part.isWhole) {
      throwIfAborted(signal);
      try {
        await sources.attempt(signal, (source, countBytes) => this.#fetchOnce(source, countBytes));
        await this.#crew?.join();
        this.#wholeBecause ??= this.#crew?.changeReason;
      } catch (error) {
        // What came is kept; why it is not all of it is what has to be heard.
        await this.#settle().catch(() => undefined);
        throw error;
      }
      await this.#settle();
    }
  }

  async #settle(): Promise<void> {
    await this.#crew?.end();
    this.#crew = undefined;
    // A whole part is flushed when it is finished.
    if (!this.#part.isWhole) await this.#part.checkpoint();
  }

  async #fetchOnce(source: Source, countBytes: (numBytes: number) => void): Promise<void> {
    const { signal } = this.#context;
    const stop = new AbortController();
    const http = {
      ...this.#context,
      signal: AbortSignal.any(signal === undefined ? [stop.signal] : [signal, stop.signal]),
    };
    // One for each connection, and Node takes more than ten for a leak.
    setMaxListeners(0, http.signal);
    const { plan } = this.#intake;
    const segment = this.#canResume(source) ? plan.claim(this.#totalBytes ?? Infinity, this.#maxBytes) : undefined;
    const asked = this.#asked(source, segment);
    try {
      const end = segment === undefined || segment.end === asked.totalBytes ? Infinity : segment.end;
      const response = await httpGet(source.url, requestHeaders(asked, end), http);
      await this.#take({ source, countBytes, asked, response, http, stop }, segment).finally(() => response.discard());
    } catch (error) {
      // The crew has ended it, and says why itself.
      if (!stop.signal.aborted || signal?.aborted === true) throw error;
    } finally {
      if (segment !== undefined) plan.release(segment);
    }
  }

  /** Bytes are only joined when something proves them parts of one file: a validator, or the digest at the end. */
  #canResume({ key }: Source): boolean {
    const { ranges, source } = this.#part;
    if (this.#wholeBecause !== undefined || ranges.numBytes === 0 || source === undefined) return false;
    if (source.source === key && source.validator !== undefined) return true;
    return this.#hasDigest && (source.totalBytes ?? this.#context.archive.bytes) !== undefined;
  }

  #asked(source: Source, segment: Segment | undefined): Asked {
    const begun = this.#part.source;
    return {
      offset: segment?.position,
      totalBytes: begun?.totalBytes,
      // Another source has its own idea of validators.
      validator: source.validator ?? (begun?.source === source.key ? begun.validator : undefined),
      expectedBytes: this.#context.archive.bytes,
    };
  }

  async #take(answer: Answer, segment: Segment | undefined): Promise<void> {
    const { source, asked, response } = answer;
    const verdict = judgeResponse(response.status, response.headers, asked, Date.now());
    this.#requireSameFile(verdict, answer);
    switch (verdict.kind) {
      case 'refuse':
        throw new TransferRefusedError(source.url, verdict.reason);
      case 'retry':
        throw new TransferBrokenError(source.url, verdict.reason, verdict);
      case 'ask-whole':
        this.#wholeBecause = verdict.reason;
        break;
      case 'complete':
        this.#part.continueFrom({ ...this.#sourceOf(source, asked.validator), totalBytes: verdict.totalBytes });
        break;
      case 'rest':
        if (segment !== undefined) await this.#takeRest(answer, segment, verdict);
        break;
      case 'whole':
        if (segment !== undefined) this.#intake.plan.release(segment);
        this.#wholeBecause ??= restartReason(response.headers, asked);
        await this.#takeWhole(answer, verdict);
        break;
    }
  }

  /** A mirror that has another file, or cannot go on with one, is no reason to give up what others brought and can go on with. */
  #requireSameFile(verdict: Verdict, { source, asked, response }: Answer): void {
    const isOther = asked.offset !== undefined && this.#part.source?.source !== source.key;
    if (!isOther || !this.#context.sources.hasOther(source)) return;
    if (verdict.kind !== 'whole' && verdict.kind !== 'ask-whole') return;
    const reason = verdict.kind === 'whole' ? restartReason(response.headers, asked) : verdict.reason;
    throw new TransferRefusedError(source.url, `it does not go on with what other sources began: ${reason}`);
  }

  async #takeRest(answer: Answer, segment: Segment, verdict: Verdict & { kind: 'rest' }): Promise<void> {
    const { source, response } = answer;
    const { archive, reporter, tally } = this.#context;
    const { totalBytes, validator } = verdict;
    await this.#makeRoom(totalBytes);
    source.validator = validator;
    if (segment.end === Infinity) segment.end = totalBytes;
    this.#part.continueFrom({ ...this.#sourceOf(source, validator), totalBytes });
    tally.resumedAt.push(segment.position);
    const text = `${archive.file}: resumed at ${formatBytes(segment.position)} of ${formatBytes(totalBytes)}`;
    reporter.event('resumed', text, { file: archive.file, offset: segment.position });
    this.#hireCrew(answer, segment, true);
    await this.#intake.receive({ ...answer, segment, chunks: response.readBody() });
  }

  async #takeWhole(answer: Answer, verdict: Verdict & { kind: 'whole' }): Promise<void> {
    const { source, response } = answer;
    const { archive } = this.#context;
    const totalBytes = verdict.totalBytes ?? archive.bytes;
    if (!verdict.isDelimited && totalBytes === undefined && !this.#hasDigest) {
      const reason = 'nobody says how long the file is, so that a cut would go unnoticed; give its MD5';
      throw new TransferRefusedError(source.url, reason);
    }
    const { head, chunks } = await readHead(response.readBody());
    // Only now is what is at hand given up: a page that says "log in" must not cost the part.
    const problem = headProblem(archive.file, head, this.#hasDigest);
    if (problem !== undefined) throw new TransferRefusedError(source.url, problem);
    await this.#beginAnew(source, verdict.validator, totalBytes);
    const { plan } = this.#intake;
    const segment = plan.claim(totalBytes ?? Infinity, Infinity);
    if (segment !== undefined) {
      try {
        if (headerOf(response.headers, 'accept-ranges') !== 'none') this.#hireCrew(answer, segment, false);
        await this.#intake.receive({ ...answer, segment, chunks });
      } finally {
        plan.release(segment);
      }
    }
    if (totalBytes === undefined) {
      const { numBytes } = this.#part.ranges;
      this.#part.continueFrom({ ...this.#sourceOf(source, verdict.validator), totalBytes: numBytes });
    }
  }

  async #beginAnew(source: Source, validator: Validator | undefined, totalBytes: number | undefined): Promise<void> {
    const { archive, reporter } = this.#context;
    const reason = this.#wholeBecause ?? '';
    this.#wholeBecause = undefined;
    await this.#context.space.reserve(this.#part.path, totalBytes ?? 0);
    if (this.#part.ranges.numBytes > 0) {
      if (this.#restartsLeft-- === 0) {
        throw new TransferRefusedError(source.url, `begun anew too often: ${reason}; use another source`);
      }
      reporter.event('restarted', `${archive.file}: starting over: ${reason}`, { file: archive.file, reason });
    }
    source.validator = validator;
    await this.#intake.begin({ ...this.#sourceOf(source, validator), totalBytes });
    if (totalBytes !== undefined) await this.#makeRoom(totalBytes);
  }

  async #makeRoom(totalBytes: number): Promise<void> {
    const { path } = this.#part;
    await this.#context.space.reserve(path, totalBytes);
    if (this.#context.transfer.preallocate) await preallocate(path, totalBytes);
  }

  /** More connections, for a file that is worth them and whose parts can be told to be of one file. */
  #hireCrew({ source, http, stop }: Answer, segment: Segment, isProven: boolean): void {
    const totalBytes = this.#totalBytes;
    if (totalBytes === undefined || this.#maxBytes === Infinity) return;
    if (!this.#hasDigest && source.validator === undefined) return;
    const { sources, archive, reporter, transfer: limits } = this.#context;
    if (totalBytes - this.#part.ranges.numBytes <= segmentBytesOf(limits)) return;
    this.#crew = new SegmentCrew({
      ...{ file: archive.file, first: source, segment, isProven, totalBytes },
      ...{ intake: this.#intake, sources, http, stop, limits, reporter },
    });
  }

  /** Bytes to ask for at once: all of them, unless other connections are to have some too. */
  get #maxBytes(): number {
    const { transfer: limits } = this.#context;
    const isShared = limits.connections > 1 && (this.#totalBytes ?? 0) >= limits.minSegmentedBytes;
    return isShared ? segmentBytesOf(limits) : Infinity;
  }

  get #totalBytes(): number | undefined {
    return this.#part.source?.totalBytes;
  }

  #sourceOf({ key }: Source, validator: Validator | undefined): Pick<PartSource, 'source' | 'validator'> {
    return { source: key, validator };
  }
}
