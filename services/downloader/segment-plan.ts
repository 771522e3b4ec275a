/** Who fetches which bytes: gaps are claimed front first, and who finds none takes half of what the slowest has left. */
import { ByteRanges, type ByteRange } from './byte-ranges.js';

/** Bytes that one connection is to bring. */
export interface Segment {
  /** Offset of the next byte to come; its reader moves it on. */
  position: number;
  /** Offset after the last byte; becomes smaller when another connection takes the rest. Infinity while nobody knows the length. */
  end: number;
  readonly begin: number;
  readonly begunAtMs: number;
}

/** Less than this is not worth a request of its own, and a connection given up before its end; and so long each gets to show its pace. */
const MIN_STOLEN_BYTES = 1 << 20;
const MIN_STOLEN_MS = 500;

export class SegmentPlan {
  readonly #received: ByteRanges;
  readonly #active = new Set<Segment>();

  /** `received` is the owner's, who adds to it what has been written; it may be ahead of or behind the segments' positions. */
  constructor(received: ByteRanges) {
    this.#received = received;
  }

  /** Whether nothing is under way. */
  get isIdle(): boolean {
    return this.#active.size === 0;
  }

  /** The first bytes of `[0, until)` that are neither here nor claimed, at most `maxBytes` of them; undefined when there are none. */
  claim(until: number, maxBytes: number): Segment | undefined {
    const gap = this.#firstGap(until);
    return gap === undefined ? undefined : this.#begin(gap[0], Math.min(gap[1], gap[0] + maxBytes));
  }

  /** Where the bytes begin that {@link claim} would give; undefined when there are none. */
  nextBegin(until: number): number | undefined {
    return this.#firstGap(until)?.[0];
  }

  /** The second half of the segment that would end last at the pace it has; undefined when none has enough left. */
  steal(): Segment | undefined {
    const nowMs = performance.now();
    const msLeft = ({ begin, position, end, begunAtMs }: Segment): number =>
      ((end - position) * (nowMs - begunAtMs + 1)) / (position - begin + 1);
    const slowest = [...this.#active]
      .filter(({ position, end }) => end - position >= 2 * MIN_STOLEN_BYTES && end !== Infinity)
      .filter((segment) => nowMs - segment.begunAtMs >= MIN_STOLEN_MS && msLeft(segment) >= 2 * MIN_STOLEN_MS)
      .toSorted((a, b) => msLeft(b) - msLeft(a))
      .at(0);
    if (slowest === undefined) return undefined;
    const { end } = slowest;
    slowest.end = Math.floor((slowest.position + end) / 2);
    return this.#begin(slowest.end, end);
  }

  /** Gives a segment back: what has not been written of it can be claimed again. */
  release(segment: Segment): void {
    this.#active.delete(segment);
  }

  #firstGap(until: number): ByteRange | undefined {
    const taken = new ByteRanges(this.#received.toArray());
    for (const { begin, end } of this.#active) taken.add(begin, end);
    return taken.gaps(until).at(0);
  }

  #begin(begin: number, end: number): Segment {
    const segment: Segment = { begin, position: begin, end, begunAtMs: performance.now() };
    this.#active.add(segment);
    return segment;
  }
}
