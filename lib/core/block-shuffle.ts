/**
 * A shuffle that stays near the disk: blocks of neighbouring samples are permuted, and the samples of each window of blocks are
 * permuted among themselves. Both permutations are keyed, so a position costs O(1) and no memory.
 *
 * The last block may be smaller than the others, wherever it lands; a window that holds it is smaller by as much.
 */
import { deriveSeed } from './keyed-hash.js';
import { createPermutation, type Permutation } from './permutation.js';

export interface BlockShuffleKey {
  readonly size: number;
  readonly seed: number;
  readonly pass: number;
  readonly blockSamples: number;
  readonly windowBlocks: number;
}

/** The order of one pass: a bijection of `[0, size)`. */
export interface BlockShuffle {
  at(position: number): number;
}

export function createBlockShuffle({ size, seed, pass, blockSamples, windowBlocks }: BlockShuffleKey): BlockShuffle {
  const numBlocks = Math.ceil(size / blockSamples);
  const blockOrder = createPermutation({ numSamples: numBlocks, seed, epoch: pass });
  /** Samples that the last block lacks, and where in the order of blocks it stands. */
  const missing = numBlocks * blockSamples - size;
  const shortPlace = blockOrder.positionOf(numBlocks - 1);
  const windowSamples = windowBlocks * blockSamples;
  let window: Window | undefined;

  /** The window that holds a position. */
  const windowAt = (position: number): Window => {
    if (window !== undefined && position >= window.begin && position < window.end) return window;
    // As if the short block were whole: behind its end every place moves on by what it lacks.
    const shortEnd = (shortPlace + 1) * blockSamples - missing;
    const index = Math.floor((position < shortEnd ? position : position + missing) / windowSamples);
    const firstPlace = index * windowBlocks;
    const lastPlace = Math.min(firstPlace + windowBlocks, numBlocks);
    const begin = firstPlace * blockSamples - (shortPlace < firstPlace ? missing : 0);
    const end = lastPlace * blockSamples - (shortPlace < lastPlace ? missing : 0);
    const permutation = createPermutation({ numSamples: end - begin, seed: deriveSeed(seed, index), epoch: pass });
    window = { begin, end, permutation };
    return window;
  };

  return {
    at(position) {
      const { begin, permutation } = windowAt(position);
      const place = begin + permutation.at(position - begin);
      const whole = place < (shortPlace + 1) * blockSamples - missing ? place : place + missing;
      const block = blockOrder.at(Math.floor(whole / blockSamples));
      return block * blockSamples + (whole % blockSamples);
    },
  };
}

/** Positions `[begin, end)` of the pass, and the order of the samples in them. */
interface Window {
  readonly begin: number;
  readonly end: number;
  readonly permutation: Permutation;
}
