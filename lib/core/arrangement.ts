/** How the samples of one list are put in order, pass after pass: as they are, shuffled as a whole, or shuffled in blocks. */
import { createBlockShuffle } from './block-shuffle.js';
import { createPermutation, type Permutation } from './permutation.js';

/** `blocks` keeps neighbours near each other in time, for disks that seek slowly. */
export type Shuffle = 'full' | 'none' | 'blocks';

/** The grain of a `blocks` shuffle. */
export interface BlockShape {
  /** Neighbouring samples that stay together, at least 1. */
  readonly blockSamples: number;
  /** Blocks that are shuffled into each other, at least 1. */
  readonly windowBlocks: number;
}

/** A bijection of `[0, size)` for each pass. */
export interface Arrangement {
  readonly size: number;
  /** The index in the list that stands at `position` of a pass; `position` in `[0, size)`, `pass` in `[0, 2^32)`. */
  at(pass: number, position: number): number;
}

/** What an arrangement is a function of. */
export interface ArrangementKey {
  readonly size: number;
  readonly seed: number;
  readonly shuffle: Shuffle;
  /** Used by `blocks` alone. */
  readonly blocks: BlockShape;
}

/** 64 raw 256×256 records are 13 MB: a disk's seek is then a tenth of the read. 128 blocks of 64 keep 1.6 GB of page cache busy. */
export const DEFAULT_BLOCKS: BlockShape = { blockSamples: 64, windowBlocks: 128 };

export function createArrangement({ size, seed, shuffle, blocks }: ArrangementKey): Arrangement {
  switch (shuffle) {
    case 'none':
      return { size, at: (_pass, position) => position };
    case 'full': {
      const permutationOf = keepLatest((pass) => createPermutation({ numSamples: size, seed, epoch: pass }));
      return { size, at: (pass, position) => permutationOf(pass).at(position) };
    }
    case 'blocks': {
      const shuffleOf = keepLatest((pass) => createBlockShuffle({ size, seed, pass, ...blocks }));
      return { size, at: (pass, position) => shuffleOf(pass).at(position) };
    }
  }
}

/** Keeps what was made for the last two keys: a batch may stand on the border of two passes. */
export function keepLatest<T extends Pick<Permutation, 'at'>>(make: (key: number) => T): (key: number) => T {
  let latest: { key: number; value: T } | undefined;
  let before: { key: number; value: T } | undefined;
  return (key) => {
    if (latest?.key === key) return latest.value;
    if (before?.key === key) return before.value;
    before = latest;
    latest = { key, value: make(key) };
    return latest.value;
  };
}
