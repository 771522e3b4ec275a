/** The kernels against their plain forms, byte for byte, on images and parts of images of any shape. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { FittedImage } from '../../../../lib/pixels/fit.js';
import type { DecodedImage, PlanarImage } from '../../../../lib/pixels/image.js';
import { PixelKernels } from '../../../../lib/pixels/kernels.js';
import { resizeArea } from '../../../../lib/pixels/resize-area.js';
import { resizeBilinear, toPlanarBgr } from '../../../../lib/pixels/resize-bilinear.js';

interface Case {
  readonly image: DecodedImage;
  readonly fitted: FittedImage;
}

const side = fc.integer({ min: 1, max: 70 });

/** An image, a part of it, and a size for that part. */
const cases: fc.Arbitrary<Case> = fc
  .tuple(side, side, side, side, fc.nat(9), fc.nat(9), fc.nat(9), fc.nat(9), fc.integer())
  .map(([partWidth, partHeight, width, height, left, right, top, bottom, seed]) => {
    const image = noise(left + partWidth + right, top + partHeight + bottom, seed);
    return {
      image,
      fitted: { part: { left, top, width: partWidth, height: partHeight }, target: { width, height } },
    };
  });

describe('PixelKernels', () => {
  const kernels = new PixelKernels();

  function assertSame(
    { image, fitted }: Case,
    kernel: (fitted: FittedImage) => PlanarImage,
    plain: (image: DecodedImage, width: number, height: number) => Uint8Array,
  ): void {
    kernels.place(image).set(image.data);
    const { width, height } = fitted.target;
    const expected = { width, height, channels: 3, data: plain(cut(image, fitted.part), width, height) };
    assert.deepEqual(kernel(fitted), expected);
  }
  const assertBilinear = (it: Case): void => assertSame(it, (fitted) => kernels.resizeBilinear(fitted), resizeBilinear);
  const assertArea = (it: Case): void => assertSame(it, (fitted) => kernels.resizeArea(fitted), resizeArea);

  it('resizeBilinear is its plain form', () => {
    fc.assert(fc.property(cases, assertBilinear), { numRuns: 300 });
  });

  it('resizeBilinear is its plain form when a part is halved exactly', () => {
    const halved = cases.map(({ fitted: { part, target }, image }) => {
      const doubled = { ...part, width: 2 * target.width, height: 2 * target.height };
      const grown = noise(doubled.width + part.left, doubled.height + part.top, image.width);
      return { image: grown, fitted: { part: doubled, target } };
    });
    fc.assert(fc.property(halved, assertBilinear));
  });

  it('resizeArea is its plain form', () => {
    fc.assert(fc.property(cases, assertArea), { numRuns: 300 });
  });

  it('both are their plain forms at the sizes of photographs, and of lines', () => {
    const sizes = [
      [500, 375, 256, 256],
      [375, 500, 256, 256],
      [256, 256, 256, 256],
      [512, 512, 256, 256],
      [3000, 1, 7, 5],
      [1, 3000, 5, 7],
      [2, 2, 300, 300],
    ];
    for (const [sourceWidth, sourceHeight, width, height] of sizes) {
      const part = { left: 0, top: 0, width: sourceWidth, height: sourceHeight };
      const it = { image: noise(sourceWidth, sourceHeight, width), fitted: { part, target: { width, height } } };
      assertBilinear(it);
      assertArea(it);
    }
  });

  it('toPlanar is its plain form', () => {
    fc.assert(
      fc.property(side, side, fc.integer(), (width, height, seed) => {
        const image = noise(width, height, seed);
        kernels.place(image).set(image.data);
        assert.deepEqual(kernels.toPlanar(), { width, height, channels: 3, data: toPlanarBgr(image) });
      }),
    );
  });

  it('keeps the memory of its largest image, whatever comes after it', () => {
    const fresh = new PixelKernels();
    const part = { left: 0, top: 0, width: 600, height: 400 };
    const held = [1, 2, 3].map(() => {
      fresh.place({ width: 600, height: 400 }).fill(7);
      for (let i = 0; i < 10; i++) {
        fresh.resizeBilinear({ part, target: { width: 256, height: 256 } });
        fresh.resizeArea({ part, target: { width: 256, height: 256 } });
      }
      return fresh.numBytes;
    });
    assert.ok(held[0] < 3 * 600 * 400 + 4 * 3 * 256 * 256);
    assert.deepEqual(held, [held[0], held[0], held[0]]);
  });
});

function noise(width: number, height: number, seed: number): DecodedImage {
  const data = new Uint8Array(width * height * 3);
  let state = seed;
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0;
    // Extremes are where arithmetic overflows.
    const value = state >>> 23;
    data[i] = value < 256 ? value : value < 384 ? 255 : 0;
  }
  return { width, height, data };
}

function cut({ width: stride, data }: DecodedImage, part: FittedImage['part']): DecodedImage {
  const { left, top, width, height } = part;
  const rows = Array.from({ length: height }, (_, y) => {
    const begin = ((top + y) * stride + left) * 3;
    return data.subarray(begin, begin + width * 3);
  });
  return { width, height, data: Uint8Array.from(Buffer.concat(rows)) };
}
