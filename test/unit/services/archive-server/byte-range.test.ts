import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isRangeCurrent, parseRange } from '../../../../services/archive-server/byte-range.js';

describe('a byte range', () => {
  it('lies within the file, whatever was asked for', () => {
    fc.assert(
      fc.property(fc.option(fc.nat(2000)), fc.option(fc.nat(2000)), fc.nat(1000), (first, last, size) => {
        const range = parseRange(`bytes=${first ?? ''}-${last ?? ''}`, size);
        if (typeof range !== 'object') return;
        assert.ok(0 <= range.begin && range.begin < range.end && range.end <= size);
        if (first !== null) assert.equal(range.begin, first);
      }),
    );
  });

  const rows: [header: string | undefined, expected: ReturnType<typeof parseRange>][] = [
    ['bytes=0-0', { begin: 0, end: 1 }],
    ['bytes=40-', { begin: 40, end: 100 }],
    ['bytes=40-59', { begin: 40, end: 60 }],
    ['bytes=40-1000', { begin: 40, end: 100 }],
    ['bytes=-10', { begin: 90, end: 100 }],
    ['bytes=-1000', { begin: 0, end: 100 }],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=100-', 'unsatisfiable'],
    ['bytes=5-4', undefined],
    ['bytes=-', undefined],
    ['bytes=0-1,5-6', undefined],
    ['lines=0-1', undefined],
    ['nonsense', undefined],
    [undefined, undefined],
  ];
  for (const [header, expected] of rows) {
    it(`of ${header ?? 'no header'} is ${expected === undefined ? 'ignored' : JSON.stringify(expected)}`, () => {
      assert.deepEqual(parseRange(header, 100), expected);
    });
  }

  it('is let through by If-Range only for the very same file', () => {
    const check = (ifRange?: string): boolean => isRangeCurrent(ifRange, '"a"', 'Mon, 01 Jan 2024 00:00:00 GMT');
    assert.deepEqual(
      [undefined, '"a"', 'Mon, 01 Jan 2024 00:00:00 GMT', '"b"', 'W/"a"', 'Mon, 01 Jan 2024 00:00:01 GMT'].map(check),
      [true, true, true, false, false, false],
    );
  });
});
