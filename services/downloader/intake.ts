/** Where the bodies of all connections of one archive end up: read at the pace that is allowed, gathered, written to the part. */
import type { Response } from './http-get.js';
import { Overlap } from './overlap.js';
import type { PartFile, PartSource } from './part-file.js';
import type { RateLimit } from './rate-limit.js';
import { SegmentPlan, type Segment } from './segment-plan.js';
import type { Source } from './source-pool.js';
import { TransferBrokenError, TransferRefusedError } from './transfer-errors.js';

/** What the transfers of an archive did, added up over tries and sources. */
export interface TransferTally {
  /** Bytes of bodies received. */
  bytesFetched: number;
  /** Offsets at which a broken transfer was gone on with. */
  readonly resumedAt: number[];
}

export interface IntakeOptions {
  readonly part: PartFile;
  readonly tally: TransferTally;
  readonly rateLimit: RateLimit | undefined;
  readonly signal: AbortSignal | undefined;
  /** Called as bytes come. */
  readonly onBytes: (done: number, total: number | undefined) => void;
  /** Whether a digest will prove the whole. */
  readonly hasDigest: boolean;
}

/** A body on its way into a segment. */
export interface Delivery {
  readonly chunks: AsyncIterable<Buffer>;
  /** Where they come from. */
  readonly response: Pick<Response, 'discard'>;
  readonly segment: Segment;
  readonly source: Source;
  readonly countBytes: (numBytes: number) => void;
}

/** One write to the file: larger ones gain little and are lost when the process is killed, 64 KiB ones cost a third of the rate. */
const WRITE_BYTES = 1 << 19;

export class Intake {
  readonly part: PartFile;
  readonly plan: SegmentPlan;
  readonly overlap: Overlap;
  readonly #options: IntakeOptions;
  #numBytes: number;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.part = options.part;
    this.plan = new SegmentPlan(options.part.ranges);
    this.overlap = new Overlap(options.part, !options.hasDigest);
    this.#numBytes = options.part.ranges.numBytes;
  }

  /** Empties the part for bytes of `source`; no segment may be under way. */
  async begin(source: PartSource): Promise<void> {
    await this.part.begin(source);
    this.#numBytes = 0;
  }

  /**
   * Reads a body into its segment, and no further than the segment's end as it is by then; what came is written even when the body
   * breaks. Throws TransferBrokenError when it ends before its segment, TransferRefusedError when it goes on after the file's end.
   */
  async receive({ chunks, response, segment, source, countBytes }: Delivery): Promise<void> {
    const { tally, rateLimit, signal, onBytes } = this.#options;
    const gather = new Gatherer(this.part, segment.position, source.key);
    const totalBytes = this.part.source?.totalBytes;
    const askedEnd = segment.end;
    segment.onTaken = () => response.discard();
    try {
      for await (const chunk of chunks) {
        if (segment.position === segment.begin) segment.begunAtMs = performance.now();
        await rateLimit?.take(chunk.length, signal);
        // Another connection may have taken the rest meanwhile.
        const room = segment.end - segment.position;
        if (chunk.length > room && segment.end === totalBytes) {
          throw new TransferRefusedError(source.url, `the server sends more than the ${totalBytes} bytes of the file`);
        }
        const taken = chunk.subarray(0, room);
        segment.position += taken.length;
        tally.bytesFetched += taken.length;
        this.#numBytes += taken.length;
        countBytes(taken.length);
        await gather.add(taken);
        onBytes(this.#numBytes, totalBytes);
        // The rest of what was asked for is for somebody else; a body that is at its end is left to end.
        if (segment.position === segment.end && segment.end !== askedEnd) break;
      }
    } catch (error) {
      // All bytes are here: how the rest of the exchange goes does not matter.
      if (!(error instanceof TransferBrokenError) || segment.position < segment.end) throw error;
    } finally {
      await gather.flush();
    }
    if (segment.position < segment.end && segment.end !== Infinity) {
      throw new TransferBrokenError(source.url, `the body ended at byte ${segment.position} of ${segment.end}`);
    }
  }
}

/** Bytes that follow one another, written by the half megabyte. */
class Gatherer {
  readonly #part: PartFile;
  readonly #source: string;
  #begin: number;
  #chunks: Buffer[] = [];
  #numBytes = 0;

  constructor(part: PartFile, begin: number, source: string) {
    this.#part = part;
    this.#begin = begin;
    this.#source = source;
  }

  async add(chunk: Buffer): Promise<void> {
    this.#chunks.push(chunk);
    this.#numBytes += chunk.length;
    if (this.#numBytes >= WRITE_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#numBytes === 0) return;
    const [begin, chunks] = [this.#begin, this.#chunks];
    this.#begin += this.#numBytes;
    this.#chunks = [];
    this.#numBytes = 0;
    await this.#part.write(begin, chunks, this.#source);
  }
}
