import assert from 'node:assert/strict';
import fc from 'fast-check';
import { fitImage, type Fit } from '../../../../lib/pixels/fit.js';

const side = fc.integer({ min: 1, max: 5000 });
const sizes = fc.record({ width: side, height: side });
const square = { width: 256, height: 256 };

describe('fitImage', () => {
  const table: [Fit, [number, number], { part: [number, number, number, number]; target: [number, number] }][] = [
    ['exact', [500, 375], { part: [0, 0, 500, 375], target: [256, 256] }],
    ['short-side', [500, 375], { part: [0, 0, 500, 375], target: [341, 256] }],
    ['short-side', [375, 500], { part: [0, 0, 375, 500], target: [256, 341] }],
    ['short-side', [100, 100], { part: [0, 0, 100, 100], target: [256, 256] }],
    ['cover', [500, 375], { part: [62, 0, 375, 375], target: [256, 256] }],
    ['cover', [375, 500], { part: [0, 62, 375, 375], target: [256, 256] }],
    ['cover', [300, 300], { part: [0, 0, 300, 300], target: [256, 256] }],
  ];
  for (const [fit, [width, height], expected] of table) {
    it(`${fit} takes ${expected.part.slice(2).join('×')} of ${width}×${height} to ${expected.target.join('×')}`, () => {
      const { part, target } = fitImage({ width, height }, fit, square);
      assert.deepEqual([part.left, part.top, part.width, part.height], expected.part);
      assert.deepEqual([target.width, target.height], expected.target);
    });
  }

  it('short-side covers the size with one side equal, in the image’s shape', () => {
    fc.assert(
      fc.property(sizes, sizes, (image, size) => {
        const { target } = fitImage(image, 'short-side', size);
        assert.ok(target.width >= size.width && target.height >= size.height);
        assert.ok(target.width === size.width || target.height === size.height);
        const scale = Math.max(size.width / image.width, size.height / image.height);
        assert.ok(Math.abs(target.width - image.width * scale) <= 1);
        assert.ok(Math.abs(target.height - image.height * scale) <= 1);
      }),
    );
  });

  it('cover takes a centred part inside the image, whole along one side, in the shape of the size', () => {
    fc.assert(
      fc.property(sizes, sizes, (image, size) => {
        const { part, target } = fitImage(image, 'cover', size);
        assert.deepEqual(target, size);
        assert.ok(part.width >= 1 && part.height >= 1);
        assert.ok(part.width === image.width || part.height === image.height);
        for (const [begin, length, whole] of [
          [part.left, part.width, image.width],
          [part.top, part.height, image.height],
        ]) {
          const rest = whole - length - 2 * begin;
          assert.ok(begin >= 0 && (rest === 0 || rest === 1));
        }
        const scale = Math.min(image.width / size.width, image.height / size.height);
        assert.ok(Math.abs(part.width - Math.max(1, size.width * scale)) < 1);
        assert.ok(Math.abs(part.height - Math.max(1, size.height * scale)) < 1);
      }),
    );
  });
});
