import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ByteRanges } from '../../../../services/downloader/byte-ranges.js';

const SIZE = 60;
const anyRanges = fc.array(
  fc.tuple(fc.nat(SIZE), fc.nat(SIZE)).map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b)]),
  { maxLength: 12 },
);

/** The same thing, the slow way: one flag a byte. */
function flagsOf(ranges: readonly (readonly [number, number])[]): boolean[] {
  return Array.from({ length: SIZE }, (_, at) => ranges.some(([begin, end]) => at >= begin && at < end));
}

describe('byte ranges', () => {
  it('hold what was added, sorted and joined, whatever the order', () => {
    fc.assert(
      fc.property(anyRanges, (added) => {
        const found = new ByteRanges(added);
        const ranges = found.toArray();
        assert.deepEqual(flagsOf(ranges), flagsOf(added));
        assert.equal(found.numBytes, flagsOf(added).filter(Boolean).length);
        for (const [index, [begin, end]] of ranges.entries()) {
          assert.ok(begin < end);
          if (index > 0) assert.ok(ranges[index - 1][1] < begin, 'they do not touch');
        }
      }),
    );
  });

  it('have gaps that are all the rest', () => {
    fc.assert(
      fc.property(anyRanges, fc.nat(SIZE), (added, until) => {
        const gaps = new ByteRanges(added).gaps(until);
        const expected = flagsOf(added).map((isThere, at) => !isThere && at < until);
        assert.deepEqual(flagsOf(gaps), expected);
      }),
    );
  });

  it('know how far they go from the first byte on, and where they end', () => {
    const ranges = new ByteRanges([
      [5, 9],
      [20, 21],
    ]);
    assert.deepEqual([ranges.prefixEnd, ranges.end], [0, 21]);
    ranges.add(0, 5);
    assert.deepEqual([ranges.prefixEnd, ranges.end], [9, 21]);
    ranges.clear();
    assert.deepEqual([ranges.prefixEnd, ranges.end, ranges.numBytes], [0, 0, 0]);
  });

  it('count beyond four gigabytes', () => {
    const begin = 2 ** 33 + 1;
    const ranges = new ByteRanges([[begin, begin + 10]]);
    assert.deepEqual(ranges.gaps(begin + 20), [
      [0, begin],
      [begin + 10, begin + 20],
    ]);
  });
});
