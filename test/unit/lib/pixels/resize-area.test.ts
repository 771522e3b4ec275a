import assert from 'node:assert/strict';
import fc from 'fast-check';
import { AREA_WEIGHT_ONE, areaTaps } from '../../../../lib/pixels/area-taps.js';
import { resizeArea } from '../../../../lib/pixels/resize-area.js';
import { toPlanarBgr } from '../../../../lib/pixels/resize-bilinear.js';

const side = fc.integer({ min: 1, max: 40 });

describe('areaTaps', () => {
  it('has weights that sum to one and lie within the image', () => {
    const length = fc.integer({ min: 1, max: 5000 });
    fc.assert(
      fc.property(length, length, (sourceSize, targetSize) => {
        const { first, numTaps, weights } = areaTaps(sourceSize, targetSize);
        for (let i = 0; i < targetSize; i++) {
          const own = weights.subarray(i * numTaps, (i + 1) * numTaps);
          assert.equal(
            own.reduce((sum, weight) => sum + weight, 0),
            AREA_WEIGHT_ONE,
          );
          assert.ok(own.every((weight) => weight >= 0));
          const last = first[i] + own.findLastIndex((weight) => weight > 0);
          assert.ok(first[i] >= 0 && last < sourceSize, `taps ${first[i]} to ${last} of ${sourceSize}`);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('takes a pixel by the share of it that is covered', () => {
    const { first, numTaps, weights } = areaTaps(5, 2);
    assert.deepEqual([...first], [0, 2]);
    const shares = Array.from(weights, (weight) => Math.round((weight / AREA_WEIGHT_ONE) * 2.5 * 10) / 10);
    assert.equal(numTaps, 4);
    assert.deepEqual(shares, [1, 1, 0.5, 0, 0.5, 1, 1, 0]);
  });
});

describe('resizeArea', () => {
  it('leaves one colour as it is, at any size', () => {
    fc.assert(
      fc.property(side, side, side, side, fc.nat(255), (sourceWidth, sourceHeight, width, height, value) => {
        const data = new Uint8Array(sourceWidth * sourceHeight * 3).fill(value);
        const resized = resizeArea({ width: sourceWidth, height: sourceHeight, data }, width, height);
        assert.deepEqual(resized, new Uint8Array(width * height * 3).fill(value));
      }),
    );
  });

  it('only rearranges an image of that size already', () => {
    fc.assert(
      fc.property(side, side, (width, height) => {
        const image = { width, height, data: Uint8Array.from({ length: width * height * 3 }, (_, i) => i * 37) };
        assert.deepEqual(resizeArea(image, width, height), toPlanarBgr(image));
      }),
    );
  });

  it('averages all pixels of a checkerboard, which two taps would not see', () => {
    const data = Uint8Array.from({ length: 16 * 16 * 3 }, (_, i) => {
      const pixel = Math.floor(i / 3);
      return (pixel + (pixel >> 4)) % 2 === 0 ? 0 : 200;
    });
    const resized = resizeArea({ width: 16, height: 16, data }, 4, 2);
    assert.deepEqual(resized, new Uint8Array(4 * 2 * 3).fill(100));
  });
});
