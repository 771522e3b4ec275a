import assert from 'node:assert/strict';
import fc from 'fast-check';
import { createArrangement } from '../../../../lib/core/arrangement.js';
import { allSamples, createSequence, type Selection } from '../../../../lib/core/selection.js';
import type { Place, Sequence } from '../../../../lib/core/sequence.js';
import { flatMixes } from '../../../fixtures/selections.js';

const seeds = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const passes = fc.integer({ min: 0, max: 0xffffffff });
const blockShapes = fc.record({
  blockSamples: fc.integer({ min: 1, max: 300 }),
  windowBlocks: fc.integer({ min: 1, max: 40 }),
});

function placesOf(sequence: Sequence, numPasses: number): Place[] {
  return Array.from({ length: numPasses * sequence.length }, (_, i) =>
    sequence.at(Math.floor(i / sequence.length), i % sequence.length),
  );
}

describe('a shuffle in blocks', () => {
  it('is a bijection for any size, block and window, whatever is left over', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2000 }), seeds, passes, blockShapes, (size, seed, pass, blocks) => {
        const arrangement = createArrangement({ size, seed, shuffle: 'blocks', blocks });
        const seen = new Uint8Array(size);
        for (let position = 0; position < size; position++) seen[arrangement.at(pass, position)]++;
        assert.ok(seen.every((count) => count === 1));
      }),
    );
  });

  it('keeps a window to the samples of its blocks', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2000 }), seeds, blockShapes, (size, seed, blocks) => {
        const arrangement = createArrangement({ size, seed, shuffle: 'blocks', blocks });
        const { blockSamples, windowBlocks } = blocks;
        let position = 0;
        const seen = new Set<number>();
        while (position < size) {
          // A window ends when its blocks are through: each of them whole, and none of them again later.
          const window = new Set<number>();
          let numSamples = 0;
          let numExpected = Infinity;
          while (position < size && numSamples < numExpected) {
            window.add(Math.floor(arrangement.at(0, position++) / blockSamples));
            numSamples++;
            if (window.size === windowBlocks) {
              numExpected = [...window].reduce(
                (sum, block) => sum + Math.min(blockSamples, size - block * blockSamples),
                0,
              );
            }
          }
          assert.ok(window.size <= windowBlocks);
          for (const block of window) {
            assert.ok(!seen.has(block), `block ${block} comes in two windows`);
            seen.add(block);
          }
        }
      }),
    );
  });

  it('answers at a thousand million samples as in a walk', () => {
    const options = { seed: 7, shuffle: 'blocks' } as const;
    const walked = createSequence(allSamples(1e9), options);
    for (const position of [0, 1, 8191, 8192, 123_456_789, 999_999_999]) {
      const asked = createSequence(allSamples(1e9), options).at(3, position);
      walked.at(3, Math.max(0, position - 1));
      assert.deepEqual(walked.at(3, position), asked);
      assert.ok(asked.id >= 0 && asked.id < 1e9);
    }
  });

  it('gives each order of a window equally often', () => {
    // Four blocks of one sample in one window: 24 orders. Chi-square of 23 degrees passes 49.7 once in a thousand.
    const counts = new Map<string, number>();
    const numDraws = 24_000;
    for (let seed = 0; seed < numDraws; seed++) {
      const blocks = { blockSamples: 1, windowBlocks: 4 };
      const arrangement = createArrangement({ size: 4, seed, shuffle: 'blocks', blocks });
      const order = [0, 1, 2, 3].map((position) => arrangement.at(0, position)).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    assert.equal(counts.size, 24);
    assert.ok(chiSquare < 49.7, `chi-square ${chiSquare}`);
  });
});

describe('a mix', () => {
  it('gives every part exactly its weight in every round, and goes through each part evenly', () => {
    fc.assert(
      fc.property(flatMixes, seeds, fc.boolean(), ({ parts }, seed, isShuffled) => {
        // Parts that share no sample, so that a sample tells its part.
        const disjoint = parts.map(({ weight, of }, part) => {
          const size = of.kind === 'range' ? of.end - of.begin : of.kind === 'list' ? of.ids.length : 0;
          return { weight, of: { kind: 'range', begin: part * 1000, end: part * 1000 + size } as const };
        });
        const mix: Selection = { kind: 'mix', parts: disjoint };
        const sequence = createSequence(mix, { seed, shuffle: isShuffled ? 'full' : 'none' });
        const places = placesOf(sequence, 3);
        const divisor = parts.map(({ weight }) => weight).reduce(greatestCommonDivisor);
        const round = parts.reduce((sum, { weight }) => sum + weight, 0) / divisor;
        for (let begin = 0; begin + round <= places.length; begin += round) {
          const counts = parts.map(() => 0);
          for (const { id } of places.slice(begin, begin + round)) counts[Math.floor(id / 1000)]++;
          assert.deepEqual(
            counts,
            parts.map(({ weight }) => weight / divisor),
          );
        }
        // Within a pass over a part no sample comes twice, and its passes follow each other.
        const seen = new Set<string>();
        for (const { id, epoch } of places) {
          const key = `${id} in pass ${epoch}`;
          assert.ok(!seen.has(key), key);
          seen.add(key);
        }
        const counts = new Map<number, number>();
        places.slice(0, Math.floor(places.length / round) * round).forEach(({ id }) => {
          counts.set(id, (counts.get(id) ?? 0) + 1);
        });
        disjoint.forEach(({ of: { begin, end } }) => {
          const own = Array.from({ length: end - begin }, (_, i) => counts.get(begin + i) ?? 0);
          // A round may take a part's samples of two passes, in any order within it.
          assert.ok(Math.max(...own) - Math.min(...own) <= 1, own.join());
        });
      }),
    );
  });

  it('weighted by the sizes of its parts goes through all samples once an epoch', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 }), seeds, (sizes, seed) => {
        let begin = 0;
        const parts = sizes.map((size) => {
          const of = { kind: 'range', begin, end: (begin += size) } as const;
          return { weight: size, of };
        });
        const sequence = createSequence({ kind: 'mix', parts }, { seed, shuffle: 'full' });
        for (let pass = 0; pass < 3; pass++) {
          const ids = Array.from({ length: begin }, (_, position) => sequence.at(pass, position).id);
          assert.equal(new Set(ids).size, begin);
        }
      }),
    );
  });

  it('orders parts of the same size differently', () => {
    const parts = [0, 1].map((part) => ({
      weight: 1,
      of: { kind: 'range', begin: part * 100, end: part * 100 + 100 },
    }));
    const sequence = createSequence({ kind: 'mix', parts } as Selection, { seed: 3, shuffle: 'full' });
    const ids = placesOf(sequence, 1).map(({ id }) => id);
    const [first, second] = [ids.filter((id) => id < 100), ids.filter((id) => id >= 100).map((id) => id - 100)];
    assert.notDeepEqual(first, second);
  });

  it('refuses weights that are none, and nothing to take from', () => {
    const of = allSamples(3);
    for (const weight of [0, -1, 0.5, NaN, 2 ** 53]) {
      assert.throws(() => createSequence({ kind: 'mix', parts: [{ weight, of }] }, { seed: 0, shuffle: 'full' }));
    }
    assert.throws(
      () => createSequence({ kind: 'mix', parts: [] }, { seed: 0, shuffle: 'full' }),
      /weights that sum to/,
    );
    assert.throws(() => createSequence({ kind: 'list', ids: [] }, { seed: 0, shuffle: 'full' }), /at least one sample/);
    assert.throws(() => createSequence(allSamples(0), { seed: 0, shuffle: 'full' }), /at least one sample/);
  });
});

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
