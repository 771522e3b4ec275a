/**
 * Proof that a body goes on with what is at hand, where no digest will give it: a few of the bytes before are asked for again, and
 * compared before a new one is taken. Servers have been seen to send right headers and wrong bytes.
 */
import { prepend, readHead } from './body-head.js';
import type { PartFile } from './part-file.js';

/** Enough to be of one place of one file only, too few to count beside a piece of some MiB. */
const OVERLAP_BYTES = 1 << 15;

/** Why a transfer begins anew whose overlap was wrong. */
export const OVERLAP_DIFFERS = 'what the server goes on with is not of the file that was begun with';

export class Overlap {
  readonly #part: PartFile;
  readonly #isNeeded: boolean;

  /** `isNeeded`: nothing else proves the bytes of several answers to be of one file. */
  constructor(part: PartFile, isNeeded: boolean) {
    this.#part = part;
    this.#isNeeded = isNeeded;
  }

  /** How many bytes before `position` to ask for again: of those that are at hand, none when they prove nothing. */
  bytesBefore(position: number): number {
    if (!this.#isNeeded) return 0;
    const before = this.#part.ranges.toArray().find(([begin, end]) => begin < position && position <= end);
    return before === undefined ? 0 : Math.min(position - before[0], OVERLAP_BYTES);
  }

  /**
   * Reads the first `numBytes` of a body, which are those before `position`, and returns the rest: undefined when they are not those
   * at hand. Throws what reading the body throws, ERR_DISK.
   */
  async pass(
    body: AsyncGenerator<Buffer, void, undefined>,
    position: number,
    numBytes: number,
  ): Promise<AsyncIterable<Buffer> | undefined> {
    if (numBytes === 0) return body;
    const atHand = await this.#part.read(position - numBytes, position);
    const head = await readHead(body, numBytes);
    // One that ends too early is left to the reader of its rest.
    const overlap = head.subarray(0, numBytes);
    return overlap.equals(atHand.subarray(0, overlap.length)) ? prepend(head.subarray(numBytes), body) : undefined;
  }
}
