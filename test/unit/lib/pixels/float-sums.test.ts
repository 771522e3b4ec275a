import assert from 'node:assert/strict';
import fc from 'fast-check';
import { FloatSums } from '../../../../lib/pixels/float-sums.js';

describe('FloatSums', () => {
  it('round at each image, as float32 in that order does', () => {
    const cases = fc.tuple(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(cases, ([numValues, step]) => {
        const sums = new FloatSums(numValues);
        // Past 2^24 float32 has no odd numbers: from there on the order shows.
        const plain = new Float32Array(numValues).fill(2 ** 24 - 300);
        sums.sums.set(plain);
        for (let image = 0; image < 9; image++) {
          const pixels = Uint8Array.from({ length: numValues }, (_, i) => i * step + image * 37);
          sums.add(pixels);
          for (let i = 0; i < numValues; i++) plain[i] += pixels[i];
        }
        assert.deepEqual(sums.sums, plain);
      }),
    );
  });

  it('refuse an image of another size', () => {
    assert.throws(() => new FloatSums(3).add(new Uint8Array(4)), /expected an image of 3 values, got 4/);
  });
});
