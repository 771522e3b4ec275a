import assert from 'node:assert/strict';
import fc from 'fast-check';
import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from '../../../../lib/core/half-float.js';

const float32 = fc.float({ noNaN: true });

/** Every number of a format, in order, from the smallest to the largest that is finite. */
function numbersOf(from: (bits: number) => number, lastFinite: number): number[] {
  return Array.from({ length: lastFinite + 1 }, (_, bits) => from(bits));
}

describe('16-bit floats', () => {
  it('a float16 and a bfloat16 come back from their numbers as they were, all of them', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      if (!Number.isNaN(fromFloat16(bits))) assert.equal(toFloat16(fromFloat16(bits)), bits);
      if (!Number.isNaN(fromBfloat16(bits))) assert.equal(toBfloat16(fromBfloat16(bits)), bits);
    }
  });

  it('has the float16 of well-known numbers', () => {
    const known = [
      [0, 0],
      [-0, 0x8000],
      [1, 0x3c00],
      [-2, 0xc000],
      [65_504, 0x7bff],
      [65_519.996, 0x7bff],
      [65_520, 0x7c00],
      [2 ** -24, 1],
      [2 ** -25, 0],
      [0.1, 0x2e66],
    ];
    for (const [value, bits] of known) assert.equal(toFloat16(value), bits, `${value}`);
  });

  const formats = [
    ['float16', toFloat16, numbersOf(fromFloat16, 0x7bff)],
    ['bfloat16', toBfloat16, numbersOf(fromBfloat16, 0x7f7f)],
  ] as const;
  for (const [name, encode, numbers] of formats) {
    it(`rounds to the nearest ${name}, ties to the even one`, () => {
      fc.assert(
        fc.property(float32, (value) => {
          const magnitude = Math.abs(value);
          const last = numbers.length - 1;
          fc.pre(magnitude <= numbers[last]);
          const bits = encode(magnitude);
          const error = Math.abs(numbers[bits] - magnitude);
          for (const other of [bits - 1, bits + 1].filter((it) => it >= 0 && it <= last)) {
            const otherError = Math.abs(numbers[other] - magnitude);
            assert.ok(error < otherError || (error === otherError && bits % 2 === 0), `${value}`);
          }
        }),
        { numRuns: 2_000 },
      );
    });
  }
});
