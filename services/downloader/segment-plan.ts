/** Who fetches which bytes: gaps are claimed front first, and who finds none takes its share of what the slowest has left. */
import { ByteRanges, type ByteRange } from './byte-ranges.js';

/** Bytes that one connection is to bring. */
export interface Segment {
  /** Offset of the next byte to come; its reader moves it on. */
  position: number;
  /** Offset after the last byte; becomes smaller when another connection takes the rest. Infinity while nobody knows the length. */
  end: number;
  readonly begin: number;
  /** When its first byte came; until then, when it was claimed. Its reader sets it. */
  begunAtMs: number;
  /** Called when others took all that was left. Its reader sets it. */
  onTaken: () => void;
}

/** Saving less is not worth a request of its own, and a connection given up before its end; and so long each gets to show its pace. */
const MIN_SAVED_MS = 500;
/** Bytes that have to come at a new pace until it counts as much as all before. */
const PACE_BYTES = 4 << 20;

export class SegmentPlan {
  readonly #received: ByteRanges;
  readonly #active = new Set<Segment>();
  /** Of segments that were given back, in bytes per millisecond: what one more connection may expect. */
  #usualPace: number | undefined;

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

  /**
   * The end of the segment that would end last: so much of it that both end at once, one at the pace it has and one at the usual
   * one. That is half among equals, and nearly all of one that is much slower; one whose first byte has not come is an equal, lest
   * slow answers are asked for again and again. Undefined when it would save too little.
   */
  steal(): Segment | undefined {
    const nowMs = performance.now();
    const usualPace = this.#usualPace;
    const choices = [...this.#active]
      .filter(({ begunAtMs, end }) => nowMs - begunAtMs >= MIN_SAVED_MS && end !== Infinity)
      .map((segment) => {
        const numBytes = segment.end - segment.position;
        const ownPace = paceOf(segment, nowMs);
        const pace = segment.position === segment.begin ? (usualPace ?? ownPace) : ownPace;
        const msTogether = numBytes / (pace + (usualPace ?? pace));
        return { segment, keptBytes: Math.floor(pace * msTogether), savedMs: numBytes / pace - msTogether };
      });
    const best = choices.toSorted((a, b) => b.savedMs - a.savedMs).at(0);
    if (best === undefined || best.savedMs < MIN_SAVED_MS) return undefined;
    const { segment, keptBytes } = best;
    const { end } = segment;
    segment.end = segment.position + keptBytes;
    if (keptBytes === 0) segment.onTaken();
    return this.#begin(segment.end, end);
  }

  /** Gives a segment back: what has not been written of it can be claimed again. */
  release(segment: Segment): void {
    if (!this.#active.delete(segment)) return;
    const pace = paceOf(segment, performance.now());
    const numBytes = segment.position - segment.begin;
    this.#usualPace ??= pace;
    this.#usualPace += (pace - this.#usualPace) * (numBytes / (numBytes + PACE_BYTES));
  }

  #firstGap(until: number): ByteRange | undefined {
    const taken = new ByteRanges(this.#received.toArray());
    for (const { begin, end } of this.#active) taken.add(begin, end);
    return taken.gaps(until).at(0);
  }

  #begin(begin: number, end: number): Segment {
    const segment: Segment = {
      ...{ begin, position: begin, end, begunAtMs: performance.now() },
      onTaken: () => undefined,
    };
    this.#active.add(segment);
    return segment;
  }
}

/** Bytes per millisecond so far, a little above 0 when nothing has come. */
function paceOf({ begin, position, begunAtMs }: Segment, nowMs: number): number {
  return (position - begin + 1) / (nowMs - begunAtMs + 1);
}
