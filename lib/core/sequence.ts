/** The form that every order has: samples by position, pass after pass. */

/** What stands at one position. */
export interface Place {
  readonly id: number;
  /**
   * The pass over the sample's own list, modulo 2^32: what its augmentation is drawn for. In a mix a short list is gone through
   * several times in an epoch, and its samples look different each time.
   */
  readonly epoch: number;
}

/** An endless sequence in passes of `length` positions; immutable but for what it keeps to be fast. */
export interface Sequence {
  readonly length: number;
  /** `pass` in `[0, 2^32)`, `position` in `[0, length)`. */
  at(pass: number, position: number): Place;
}
