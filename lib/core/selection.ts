/**
 * Which sample stands where, pass after pass: an endless sequence over a selection of samples. A selection is a range of ids, a
 * list of them, or a mix of selections by weight; class-balanced sampling is a mix of classes, and interleaving data sets
 * a mix of ranges. Every position costs O(1), or O(log parts) in a mix.
 */
import { createArrangement, DEFAULT_BLOCKS, type BlockShape, type Shuffle } from './arrangement.js';
import { deriveSeed } from './keyed-hash.js';
import { createMix, type WeightedPart } from './mix.js';
import type { Sequence } from './sequence.js';

/** Ids in the order that `none` gives them in, counted from the `begin` of their list. */
export type IdList = Uint32Array | Float64Array | readonly number[];

/** The samples that take part, and how often. Plain data. */
export type Selection =
  | { readonly kind: 'range'; readonly begin: number; readonly end: number }
  | { readonly kind: 'list'; readonly ids: IdList; readonly begin?: number }
  | { readonly kind: 'mix'; readonly parts: readonly { readonly weight: number; readonly of: Selection }[] };

/** Positions of one pass over a selection. */
export function lengthOf(selection: Selection): number {
  switch (selection.kind) {
    case 'range':
      return selection.end - selection.begin;
    case 'list':
      return selection.ids.length;
    case 'mix':
      return selection.parts.reduce((sum, { of }) => sum + lengthOf(of), 0);
  }
}

/** All samples of one source. */
export function allSamples(numSamples: number): Selection {
  return { kind: 'range', begin: 0, end: numSamples };
}

export interface SequenceOptions {
  /** `[0, 2^53)`. */
  readonly seed: number;
  readonly shuffle: Shuffle;
  /** Used by `blocks` alone. */
  readonly blocks?: BlockShape | undefined;
}

/** Throws RangeError when a selection or a part of it is empty, or a weight is no positive integer. */
export function createSequence(selection: Selection, options: SequenceOptions): Sequence {
  const { seed, shuffle, blocks = DEFAULT_BLOCKS } = options;
  switch (selection.kind) {
    case 'range': {
      const { begin, end } = selection;
      const arrangement = createArrangement({ size: checkSize(end - begin), seed, shuffle, blocks });
      return {
        length: end - begin,
        at: (pass, position) => ({ id: begin + arrangement.at(pass, position), epoch: pass }),
      };
    }
    case 'list': {
      const { ids, begin = 0 } = selection;
      const arrangement = createArrangement({ size: checkSize(ids.length), seed, shuffle, blocks });
      return {
        length: ids.length,
        at: (pass, position) => ({ id: begin + ids[arrangement.at(pass, position)], epoch: pass }),
      };
    }
    case 'mix': {
      const parts = selection.parts.map(({ weight, of }, index): WeightedPart => {
        return { weight, sequence: createSequence(of, { ...options, seed: deriveSeed(seed, index) }) };
      });
      return createMix(parts, seed, shuffle !== 'none');
    }
  }
}

function checkSize(size: number): number {
  if (!Number.isSafeInteger(size) || size < 1) throw new RangeError(`expected at least one sample, got ${size}`);
  return size;
}
