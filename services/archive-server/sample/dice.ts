/** Draws for the sample's pictures: integers keyed by the picture, so that every run on every machine draws the same. */
import { absorb, HashTag, mix32 } from '../../../lib/core/keyed-hash.js';

/** A sequence of draws. */
export interface Dice {
  /** A uniform integer of `[begin, end)`. */
  between(begin: number, end: number): number;
  /** 32 random bits, unsigned. */
  bits(): number;
}

/** The dice of one picture: the same key gives the same draws. */
export function createDice(...key: readonly number[]): Dice {
  let state = key.reduce(absorb, mix32(HashTag.sampleImage));
  let count = 0;
  const bits = (): number => {
    state = absorb(state, count++);
    return state;
  };
  return {
    bits,
    between: (begin, end) => begin + Math.floor((bits() * (end - begin)) / 0x1_0000_0000),
  };
}
