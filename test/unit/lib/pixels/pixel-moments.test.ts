import assert from 'node:assert/strict';
import fc from 'fast-check';
import { PixelMoments } from '../../../../lib/pixels/pixel-moments.js';

/** The plain form. */
function momentsOf(images: readonly Uint8Array[], numValues: number) {
  const sums = new Float64Array(numValues);
  const squares = new Float64Array(numValues);
  for (const image of images) {
    image.forEach((value, i) => {
      sums[i] += value;
      squares[i] += value * value;
    });
  }
  return { numImages: images.length, sums, squares };
}

describe('PixelMoments', () => {
  it('are the plain sums, for any number of images of any size', () => {
    const images = fc
      .tuple(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 0, max: 30 }))
      .chain(([numValues, count]) =>
        fc.array(fc.uint8Array({ minLength: numValues, maxLength: numValues }), { minLength: count, maxLength: count }),
      );
    fc.assert(
      fc.property(images, (list) => {
        const numValues = list[0]?.length ?? 5;
        const moments = new PixelMoments(numValues);
        for (const image of list) moments.add(image);
        assert.deepEqual(moments.moments(), momentsOf(list, numValues));
      }),
    );
  });

  it('go on after they were looked at', () => {
    const moments = new PixelMoments(2);
    const list = [Uint8Array.of(1, 255), Uint8Array.of(2, 0), Uint8Array.of(9, 7)];
    for (const [i, image] of list.entries()) {
      moments.add(image);
      assert.deepEqual(moments.moments(), momentsOf(list.slice(0, i + 1), 2));
    }
  });

  it('stay exact past what 32 bits hold', () => {
    const moments = new PixelMoments(1);
    const numImages = 150_000;
    for (let i = 0; i < numImages; i++) moments.add(Uint8Array.of(255));
    const { sums, squares } = moments.moments();
    assert.deepEqual([sums[0], squares[0]], [255 * numImages, 65_025 * numImages]);
  });

  it('refuse an image of another size', () => {
    assert.throws(() => new PixelMoments(3).add(new Uint8Array(4)), /expected an image of 3 values, got 4/);
  });
});
