/**
 * The connections for all of an archive that its first answer does not bring. One brings it in one piece where that is fast; several
 * take short segments from the front on, so that the hash can follow and a kill leaves little that is not hashed, and who finds
 * nothing to claim takes a share of what the slowest has left.
 */
import type { Reporter } from '../../lib/platform/progress.js';
import { Bell } from './bell.js';
import { httpGet, type HttpOptions, type Response } from './http-get.js';
import type { Intake } from './intake.js';
import { OVERLAP_DIFFERS } from './overlap.js';
import { requestHeaders } from './request-headers.js';
import { agreesWith } from './response-headers.js';
import { judgeResponse, type Asked, type Verdict } from './response-verdict.js';
import type { Segment } from './segment-plan.js';
import type { Source, SourcePool } from './source-pool.js';
import { TransferBrokenError, TransferRefusedError } from './transfer-errors.js';
import { segmentBytesOf, type TransferOptions } from './transfer-options.js';

export interface CrewOptions {
  readonly file: string;
  readonly totalBytes: number;
  readonly intake: Intake;
  readonly sources: SourcePool;
  readonly http: HttpOptions;
  /** Aborts `http.signal`; the crew does so when it has to end at once. */
  readonly stop: AbortController;
  readonly limits: TransferOptions;
  readonly reporter: Reporter;
  /** What comes with the first answer, which was a right range. */
  readonly segment: Segment;
}

/** How long the first answer is looked at, unless it ends before, until its connection gets company. */
const PACE_MS = 300;
/** How often one who waits looks again whether a segment has become slow enough to be shared. */
const LOOK_AGAIN_MS = 500;

export class SegmentCrew {
  readonly #options: CrewOptions;
  readonly #changed = new Bell();
  readonly #joined = new Bell();
  readonly #isOneEnough: Promise<boolean>;
  readonly #helpers: Promise<void>;
  #changeReason: string | undefined;

  constructor(options: CrewOptions) {
    this.#options = options;
    options.intake.part.onHashed = () => this.#changed.ring();
    this.#isOneEnough = this.#measure();
    this.#helpers = this.#help();
    // It is heard of in join or end.
    this.#helpers.catch(() => undefined);
  }

  /** Why the bytes at hand are void: the file changed at the source that they were begun with. Undefined while they are not. */
  get changeReason(): string | undefined {
    return this.#changeReason;
  }

  /**
   * Works along, once the first answer has ended, until there is nothing left to take. Throws what {@link SourcePool.attempt} and
   * {@link Intake.receive} throw.
   */
  async join(): Promise<void> {
    this.#joined.ring();
    this.#changed.ring();
    await this.#line();
    await this.#helpers;
  }

  /** Ends all connections, and waits for them to have ended. Never throws. */
  async end(): Promise<void> {
    this.#options.stop.abort();
    await this.#helpers.catch(() => undefined);
  }

  async #help(): Promise<void> {
    const { limits, file, reporter } = this.#options;
    if (await this.#isOneEnough) return;
    const { connections } = limits;
    reporter.event('connections', `${file}: coming over up to ${connections} connections`, { file, connections });
    const lines = Array.from({ length: connections - 1 }, () => this.#line());
    const failure = (await Promise.allSettled(lines)).find((result) => result.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
  }

  /** Whether one connection is to bring all of it. */
  async #measure(): Promise<boolean> {
    const { segment, totalBytes, limits, http } = this.#options;
    if (limits.connections === 1 || totalBytes < limits.minSegmentedBytes) return true;
    if (limits.enoughBytesPerSecond === Infinity) return false;
    const [begunAt, begunAtMs] = [segment.position, performance.now()];
    await this.#joined.wait(PACE_MS, http.signal);
    const seconds = (performance.now() - begunAtMs) / 1000;
    return (segment.position - begunAt) / seconds >= limits.enoughBytesPerSecond;
  }

  async #line(): Promise<void> {
    const { sources, http, stop } = this.#options;
    let isDone = false;
    try {
      while (!isDone) {
        await sources.attempt(http.signal, async (source, countBytes) => {
          const segment = await this.#nextSegment();
          isDone = segment === undefined;
          if (segment !== undefined) await this.#fetch(source, segment, countBytes);
        });
      }
    } catch (error) {
      // One that was ended by another one has nothing to say.
      if (stop.signal.aborted) return;
      stop.abort();
      throw error;
    }
    // Those that wait for a source have nothing left to wait for.
    if (this.#options.intake.part.isWhole) stop.abort();
  }

  /** Undefined when all bytes are here. */
  async #nextSegment(): Promise<Segment | undefined> {
    const { intake, totalBytes, limits, http } = this.#options;
    const { plan, part } = intake;
    if (await this.#isOneEnough) return plan.claim(totalBytes, Infinity);
    const segmentBytes = segmentBytesOf(limits);
    while (http.signal?.aborted !== true) {
      const begin = plan.nextBegin(totalBytes);
      if (begin === undefined && plan.isIdle) return undefined;
      const behind = begin === undefined ? Infinity : begin + segmentBytes - limits.windowBytes;
      if (behind <= part.hashedBytes) return plan.claim(totalBytes, segmentBytes);
      // What is taken from another one costs the bytes on their way to it: not worth it where only the hash is late.
      const stolen = behind <= part.ranges.prefixEnd ? undefined : plan.steal();
      if (stolen !== undefined) return stolen;
      await this.#changed.wait(LOOK_AGAIN_MS, http.signal);
    }
    return undefined;
  }

  async #fetch(source: Source, segment: Segment, countBytes: (numBytes: number) => void): Promise<void> {
    const { intake, http } = this.#options;
    try {
      const asked = this.#asked(source, segment.position);
      const response = await httpGet(source.url, requestHeaders(asked, segment.end), http);
      try {
        const verdict = judgeResponse(response.status, response.headers, asked, Date.now());
        if (verdict.kind === 'refuse') throw new TransferRefusedError(source.url, verdict.reason);
        if (verdict.kind === 'retry') throw new TransferBrokenError(source.url, verdict.reason, verdict);
        if (verdict.kind === 'rest') {
          source.validator = verdict.validator;
          const chunks = await intake.overlap.pass(response.readBody(), segment.position, asked.overlapBytes);
          if (chunks === undefined) this.#giveUp(OVERLAP_DIFFERS);
          else await intake.receive({ chunks, response, segment, source, countBytes });
        } else {
          this.#hearObjection(source, asked, verdict, response);
        }
      } finally {
        response.discard();
      }
    } finally {
      intake.plan.release(segment);
      this.#changed.ring();
    }
  }

  /** An odd answer is tried again, a mirror with another file is left out, and a file that changed at its source is begun anew. */
  #hearObjection(
    source: Source,
    { validator }: Asked,
    verdict: Verdict & { kind: 'whole' | 'ask-whole' | 'complete' },
    { headers }: Response,
  ): void {
    const { totalBytes } = this.#options;
    const isChanged =
      verdict.kind === 'ask-whole'
        ? verdict.isChanged
        : verdict.totalBytes !== totalBytes || (validator !== undefined && !agreesWith(headers, validator));
    const reason = verdict.kind === 'ask-whole' ? verdict.reason : 'the server answered with the whole file';
    if (!this.#isOwn(source)) {
      throw new TransferRefusedError(source.url, `it does not go on with what other sources began: ${reason}`);
    }
    if (!isChanged) throw new TransferBrokenError(source.url, reason);
    this.#giveUp('the file changed on the server');
  }

  #giveUp(reason: string): void {
    this.#changeReason ??= reason;
    this.#options.stop.abort();
  }

  #asked(source: Source, offset: number): Asked {
    const { part, overlap } = this.#options.intake;
    const validator = source.validator ?? (this.#isOwn(source) ? part.source?.validator : undefined);
    const { totalBytes } = this.#options;
    return { offset, overlapBytes: overlap.bytesBefore(offset), totalBytes, validator, expectedBytes: undefined };
  }

  /** Whether the bytes at hand were begun with this source. */
  #isOwn({ key }: Source): boolean {
    return this.#options.intake.part.source?.source === key;
  }
}
