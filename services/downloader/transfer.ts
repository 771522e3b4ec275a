/** Brings a part to its last byte: asks for what is missing, judges the answer, tries again as long as it may help. */
import { setMaxListeners } from 'node:events';
import type { Archive } from '../../lib/catalog/dataset-schema.js';
import { throwIfAborted } from '../../lib/core/errors.js';
import { formatBytes, type Reporter } from '../../lib/platform/progress.js';
import { HEAD_BYTES, headProblem, prepend, readHead } from './body-head.js';
import { hasDigest } from './expected-digest.js';
import { httpGet, type HttpOptions, type Response } from './http-get.js';
import { Intake, type TransferTally } from './intake.js';
import { OVERLAP_DIFFERS } from './overlap.js';
import type { PartFile, PartSource } from './part-file.js';
import { preallocate } from './preallocate.js';
import type { RateLimit } from './rate-limit.js';
import { requestHeaders } from './request-headers.js';
import type { Validator } from './response-headers.js';
import { judgeResponse, restartReason, type Asked, type Verdict } from './response-verdict.js';
import { SegmentCrew } from './segment-crew.js';
import type { Segment } from './segment-plan.js';
import type { Source, SourcePool } from './source-pool.js';
import type { SpaceLedger } from './space-ledger.js';
import { TransferBrokenError, TransferRefusedError } from './transfer-errors.js';
import { requestBytesOf } from './transfer-options.js';

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
  /** What is missing of the part and was asked for; undefined when it was asked for the file from its first byte. */
  readonly missing: Segment | undefined;
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
  /** Why the next request asks for the file from its first byte though a part is at hand. */
  #anewBecause: string | undefined;
  /** Whether the first range of a file may be asked for: not of a server that answered such a request oddly. */
  #mayAskFirstRange = true;
  /** Who fetches what the first answer does not bring. */
  #crew: SegmentCrew | undefined;

  constructor(part: PartFile, context: TransferContext) {
    this.#part = part;
    this.#context = context;
    this.#hasDigest = hasDigest(context.archive);
    this.#intake = new Intake({ part, ...context, hasDigest: this.#hasDigest });
    this.#restartsLeft = context.transfer.maxRestarts;
  }

  async run(): Promise<void> {
    const { signal, sources } = this.#context;
    while (!this.#part.isWhole) {
      throwIfAborted(signal);
      try {
        await sources.attempt(signal, (source, countBytes) => this.#fetchOnce(source, countBytes));
        await this.#crew?.join();
        this.#anewBecause ??= this.#crew?.changeReason;
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
    const maxBytes = requestBytesOf(this.#context.transfer, this.#totalBytes ?? 0);
    const missing = this.#canResume(source) ? plan.claim(this.#totalBytes ?? Infinity, maxBytes) : undefined;
    const asked = this.#asked(source, missing);
    try {
      const end = missing === undefined ? this.#firstBytes : missing.end === asked.totalBytes ? Infinity : missing.end;
      const response = await httpGet(source.url, requestHeaders(asked, end), http);
      const answer = { source, countBytes, asked, missing, response, http, stop };
      await this.#take(answer).finally(() => response.discard());
    } catch (error) {
      // The crew has ended it, and says why itself.
      if (!stop.signal.aborted || signal?.aborted === true) throw error;
    } finally {
      if (missing !== undefined) plan.release(missing);
    }
  }

  /** Bytes are only joined when something proves them parts of one file: a validator, or the digest at the end. */
  #canResume({ key }: Source): boolean {
    const { ranges, source } = this.#part;
    if (this.#anewBecause !== undefined || ranges.numBytes === 0 || source === undefined) return false;
    if (source.source === key && source.validator !== undefined) return true;
    return this.#hasDigest && (source.totalBytes ?? this.#context.archive.bytes) !== undefined;
  }

  #asked(source: Source, missing: Segment | undefined): Asked {
    const expectedBytes = this.#context.archive.bytes;
    if (missing === undefined) {
      const offset = this.#firstBytes === Infinity ? undefined : 0;
      return { offset, overlapBytes: 0, totalBytes: undefined, validator: undefined, expectedBytes };
    }
    const begun = this.#part.source;
    return {
      offset: missing.position,
      overlapBytes: this.#intake.overlap.bytesBefore(missing.position),
      totalBytes: begun?.totalBytes,
      // Another source has its own idea of validators.
      validator: source.validator ?? (begun?.source === source.key ? begun.validator : undefined),
      expectedBytes,
    };
  }

  async #take(answer: Answer): Promise<void> {
    const { source, asked, missing, response } = answer;
    const verdict = judgeResponse(response.status, response.headers, asked, Date.now());
    this.#requireSameFile(verdict, answer);
    switch (verdict.kind) {
      case 'refuse':
        throw new TransferRefusedError(source.url, verdict.reason);
      case 'retry':
        throw new TransferBrokenError(source.url, verdict.reason, verdict);
      case 'ask-whole':
        this.#anewBecause = verdict.reason;
        if (missing === undefined || !verdict.isChanged) this.#mayAskFirstRange = false;
        break;
      case 'complete':
        if (missing === undefined) this.#mayAskFirstRange = false;
        else this.#part.continueFrom({ ...this.#sourceOf(source, asked.validator), totalBytes: verdict.totalBytes });
        break;
      case 'rest':
        if (missing !== undefined) await this.#takeRest(answer, missing, verdict);
        else if (this.#canJoin(verdict))
          await this.#takeAnew(answer, { ...verdict, isDelimited: true }, this.#firstBytes);
        else this.#mayAskFirstRange = false;
        break;
      case 'whole':
        if (missing !== undefined) {
          this.#intake.plan.release(missing);
          this.#anewBecause ??= restartReason(response.headers, asked);
        }
        await this.#takeAnew(answer, verdict, Infinity);
        break;
    }
  }

  /** Whether what follows the first range may be put behind it. */
  #canJoin({ totalBytes, validator }: Verdict & { kind: 'rest' }): boolean {
    return this.#hasDigest || validator !== undefined || totalBytes <= this.#firstBytes;
  }

  /** A mirror that has another file, or cannot go on with one, is no reason to give up what others brought and can go on with. */
  #requireSameFile(verdict: Verdict, { source, asked, missing, response }: Answer): void {
    const isOther = missing !== undefined && this.#part.source?.source !== source.key;
    if (!isOther || !this.#context.sources.hasOther(source)) return;
    if (verdict.kind !== 'whole' && verdict.kind !== 'ask-whole') return;
    const reason = verdict.kind === 'whole' ? restartReason(response.headers, asked) : verdict.reason;
    throw new TransferRefusedError(source.url, `it does not go on with what other sources began: ${reason}`);
  }

  async #takeRest(answer: Answer, segment: Segment, verdict: Verdict & { kind: 'rest' }): Promise<void> {
    const { source, asked, response } = answer;
    const { archive, reporter, tally } = this.#context;
    const { totalBytes, validator } = verdict;
    const chunks = await this.#intake.overlap.pass(response.readBody(), segment.position, asked.overlapBytes);
    if (chunks === undefined) {
      this.#anewBecause = OVERLAP_DIFFERS;
      return;
    }
    await this.#makeRoom(totalBytes);
    source.validator = validator;
    if (segment.end === Infinity) segment.end = totalBytes;
    this.#part.continueFrom({ ...this.#sourceOf(source, validator), totalBytes });
    tally.resumedAt.push(segment.position);
    const text = `${archive.file}: resumed at ${formatBytes(segment.position)} of ${formatBytes(totalBytes)}`;
    reporter.event('resumed', text, { file: archive.file, offset: segment.position });
    this.#hireCrew(answer, segment);
    await this.#intake.receive({ ...answer, segment, chunks });
  }

  /** The file from its first byte on, at most `maxBytes` of it. */
  async #takeAnew(answer: Answer, verdict: Omit<Verdict & { kind: 'whole' }, 'kind'>, maxBytes: number): Promise<void> {
    const { source, response } = answer;
    const { archive } = this.#context;
    const totalBytes = verdict.totalBytes ?? archive.bytes;
    if (!verdict.isDelimited && totalBytes === undefined && !this.#hasDigest) {
      const reason = 'nobody says how long the file is, so that a cut would go unnoticed; give its MD5';
      throw new TransferRefusedError(source.url, reason);
    }
    const body = response.readBody();
    const head = await readHead(body, HEAD_BYTES);
    // Only now is what is at hand given up: a page that says "log in" must not cost the part.
    const problem = headProblem(archive.file, head, this.#hasDigest);
    if (problem !== undefined) throw new TransferRefusedError(source.url, problem);
    await this.#beginAnew(source, verdict.validator, totalBytes);
    const { plan } = this.#intake;
    const segment = plan.claim(totalBytes ?? Infinity, maxBytes);
    if (segment !== undefined) {
      try {
        this.#hireCrew(answer, segment);
        await this.#intake.receive({ ...answer, segment, chunks: prepend(head, body) });
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
    const reason = this.#anewBecause ?? 'nothing proves the part to be of this file';
    this.#anewBecause = undefined;
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

  /** For what the answer that `segment` is filled from does not bring. */
  #hireCrew({ http, stop }: Answer, segment: Segment): void {
    const totalBytes = this.#totalBytes;
    if (totalBytes === undefined || this.#part.ranges.numBytes + segment.end - segment.position >= totalBytes) return;
    const { sources, archive, reporter, transfer: limits } = this.#context;
    this.#crew = new SegmentCrew({
      ...{ file: archive.file, segment, totalBytes },
      ...{ intake: this.#intake, sources, http, stop, limits, reporter },
    });
  }

  /**
   * Bytes to ask for when nothing is known of a file but what the catalog says: an answer without an end would have to be broken
   * off when other connections get their share, with all that is under way.
   */
  get #firstBytes(): number {
    const { transfer: limits, archive } = this.#context;
    return this.#mayAskFirstRange ? requestBytesOf(limits, archive.bytes ?? Infinity) : Infinity;
  }

  get #totalBytes(): number | undefined {
    return this.#part.source?.totalBytes;
  }

  #sourceOf({ key }: Source, validator: Validator | undefined): Pick<PartSource, 'source' | 'validator'> {
    return { source: key, validator };
  }
}
