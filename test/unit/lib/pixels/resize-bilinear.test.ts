import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { DecodedImage } from '../../../../lib/pixels/image.js';
import { resizeBilinear, toPlanarBgr } from '../../../../lib/pixels/resize-bilinear.js';

const side = fc.integer({ min: 1, max: 40 });
const images: fc.Arbitrary<DecodedImage> = fc
  .tuple(side, side)
  .chain(([width, height]) =>
    fc
      .uint8Array({ minLength: width * height * 3, maxLength: width * height * 3 })
      .map((data) => ({ width, height, data })),
  );

describe('resizeBilinear', () => {
  it('gives planar B, G, R of the asked size, each plane within its channel’s range', () => {
    fc.assert(
      fc.property(images, side, side, (image, width, height) => {
        const resized = resizeBilinear(image, width, height);
        const plane = width * height;
        assert.equal(resized.length, 3 * plane);
        for (let channel = 0; channel < 3; channel++) {
          const source = image.data.filter((_, i) => i % 3 === 2 - channel);
          const [low, high] = [Math.min(...source), Math.max(...source)];
          // 11-bit weights may sum to one more or less than 2048, and the shifts round down.
          for (const value of resized.subarray(channel * plane, (channel + 1) * plane)) {
            assert.ok(value >= low - 1 && value <= high + 1, `${value} outside [${low}, ${high}]`);
          }
        }
      }),
    );
  });

  it('only rearranges an image of that size already', () => {
    fc.assert(
      fc.property(images, (image) => {
        assert.deepEqual(resizeBilinear(image, image.width, image.height), toPlanarBgr(image));
      }),
    );
    const two = { width: 2, height: 1, data: Uint8Array.of(1, 2, 3, 4, 5, 6) };
    assert.deepEqual([...toPlanarBgr(two)], [3, 6, 2, 5, 1, 4]);
  });

  it('averages four pixels, rounding up, when both sides are halved', () => {
    const image = { width: 2, height: 2, data: Uint8Array.of(0, 10, 1, 0, 10, 1, 1, 10, 1, 1, 10, 0) };
    assert.deepEqual([...resizeBilinear(image, 1, 1)], [1, 10, 1]);
  });
});
