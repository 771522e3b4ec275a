/** Which bytes of a file are there: sorted, disjoint, half-open ranges. */

/** `[begin, end)`. */
export type ByteRange = readonly [begin: number, end: number];

export class ByteRanges {
  readonly #ranges: ByteRange[] = [];

  constructor(ranges: Iterable<ByteRange> = []) {
    for (const [begin, end] of ranges) this.add(begin, end);
  }

  /** Bytes in all ranges. */
  get numBytes(): number {
    return this.#ranges.reduce((sum, [begin, end]) => sum + end - begin, 0);
  }

  /** Length of the range that begins at 0; 0 when byte 0 is missing. */
  get prefixEnd(): number {
    const first = this.#ranges.at(0);
    return first?.[0] === 0 ? first[1] : 0;
  }

  /** End of the last range; 0 when there is none. */
  get end(): number {
    return this.#ranges.at(-1)?.[1] ?? 0;
  }

  /** Adds `[begin, end)`, joining what overlaps or touches; an empty range changes nothing. */
  add(begin: number, end: number): void {
    if (begin >= end) return;
    const first = this.#ranges.findIndex((range) => range[1] >= begin);
    if (first === -1) {
      this.#ranges.push([begin, end]);
      return;
    }
    let last = first;
    while (last < this.#ranges.length && this.#ranges[last][0] <= end) last++;
    const joined = this.#ranges.slice(first, last);
    const newBegin = Math.min(begin, ...joined.map((range) => range[0]));
    const newEnd = Math.max(end, ...joined.map((range) => range[1]));
    this.#ranges.splice(first, last - first, [newBegin, newEnd]);
  }

  /** What is missing of `[0, until)`, in order. */
  gaps(until: number): ByteRange[] {
    const gaps: ByteRange[] = [];
    let at = 0;
    for (const [begin, end] of this.#ranges) {
      if (at >= until) break;
      if (begin > at) gaps.push([at, Math.min(begin, until)]);
      at = end;
    }
    if (at < until) gaps.push([at, until]);
    return gaps;
  }

  clear(): void {
    this.#ranges.length = 0;
  }

  /** A copy, in order. */
  toArray(): ByteRange[] {
    return [...this.#ranges];
  }
}
