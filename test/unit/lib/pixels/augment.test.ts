import assert from 'node:assert/strict';
import fc from 'fast-check';
import { colorStepsOf, FACTOR_ONE, type ColorStep } from '../../../../lib/core/color-draws.js';
import { completeTransform } from '../../../../lib/core/presets.js';
import type { Rectangle } from '../../../../lib/core/resized-crop.js';
import { windowOf } from '../../../../lib/core/transform.js';
import { augmentedBytes, createAugmenter } from '../../../../lib/pixels/augment/augmenter.js';
import { applyColorStep, applyLighting } from '../../../../lib/pixels/augment/color.js';
import { resizeCrop } from '../../../../lib/pixels/augment/resized-crop.js';
import { resizeBilinear } from '../../../../lib/pixels/resize-bilinear.js';
import { fixturePixels } from '../../../fixtures/split.js';

const SHAPE = { height: 24, width: 31, channels: 3 };
const record = fixturePixels(SHAPE, 1);

/** A part of the record as a decoded image: interleaved R, G, B. */
function cut({ y, x, height, width }: Rectangle) {
  const data = new Uint8Array(height * width * 3);
  for (let i = 0; i < data.length; i++) {
    const pixel = Math.floor(i / 3);
    const row = y + Math.floor(pixel / width);
    data[i] = record[((2 - (i % 3)) * SHAPE.height + row) * SHAPE.width + x + (pixel % width)];
  }
  return { width, height, data };
}

describe('a resized crop', () => {
  it('is what the resize of preprocessing, and so OpenCV, makes of the cut-out part, whatever the sizes', () => {
    const sides = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(sides, sides, fc.nat(), fc.nat(), fc.nat(), fc.nat(), (height, width, a, b, c, d) => {
        const part = { height: 1 + (a % SHAPE.height), width: 1 + (b % SHAPE.width) };
        const rectangle = {
          ...part,
          y: c % (SHAPE.height - part.height + 1),
          x: d % (SHAPE.width - part.width + 1),
        };
        const target = new Uint8Array(3 * height * width);
        resizeCrop(target, { height, width, channels: 3 }, record, SHAPE, rectangle);
        assert.deepEqual(target, resizeBilinear(cut(rectangle), width, height));
      }),
    );
  });

  it('to exactly half the size averages four pixels, as OpenCV does', () => {
    const rectangle = { y: 3, x: 5, height: 20, width: 26 };
    const target = new Uint8Array(3 * 10 * 13);
    resizeCrop(target, { height: 10, width: 13, channels: 3 }, record, SHAPE, rectangle);
    assert.deepEqual(target, resizeBilinear(cut(rectangle), 13, 10));
  });
});

describe('color', () => {
  const window = { y: 2, x: 3, height: 10, width: 20 };
  const after = (step: ColorStep): Uint8Array => {
    const data = Uint8Array.from(record);
    applyColorStep({ data, shape: SHAPE, window }, step);
    return data;
  };
  const planes = SHAPE.height * SHAPE.width;
  const isInside = (i: number): boolean => {
    const y = Math.floor((i % planes) / SHAPE.width) - window.y;
    const x = (i % SHAPE.width) - window.x;
    return y >= 0 && y < window.height && x >= 0 && x < window.width;
  };
  const greyOf = (i: number): number => {
    const pixel = i % planes;
    return 0.114 * record[pixel] + 0.587 * record[pixel + planes] + 0.299 * record[pixel + 2 * planes];
  };
  const inside = Array.from(record.keys()).filter(isInside);
  const meanGrey = inside.reduce((sum, i) => sum + greyOf(i), 0) / inside.length;

  const towards: Readonly<Record<'brightness' | 'contrast' | 'saturation', (i: number) => number>> = {
    brightness: () => 0,
    contrast: () => meanGrey,
    saturation: greyOf,
  };
  for (const kind of ['brightness', 'contrast', 'saturation'] as const) {
    it(`${kind} moves each pixel of the window by the factor, clamped, and no other`, () => {
      for (const factor of [0, 0.3, 1, 1.7, 3]) {
        const changed = after({ kind, factor: factor * FACTOR_ONE });
        changed.forEach((value, i) => {
          if (!isInside(i)) {
            assert.equal(value, record[i]);
            return;
          }
          const base = towards[kind](i);
          const exact = Math.min(255, Math.max(0, base + factor * (record[i] - base)));
          // The grey is rounded, and then the sum.
          assert.ok(Math.abs(value - exact) <= 0.5 + 0.5 * Math.abs(1 - factor) + 0.01, `${value} for ${exact}`);
          if (factor === 1) assert.equal(value, record[i]);
        });
      }
    });
  }

  it('hue leaves greys alone, keeps the window to itself, and comes back after a whole turn', () => {
    const colorJitter = { brightness: 0, contrast: 0, saturation: 0, hue: 0.5 };
    const [step] = colorStepsOf({ colorJitter }, 5, 0, 1);
    assert.equal(step.kind, 'hue');
    const grey = new Uint8Array(record.length).fill(77);
    applyColorStep({ data: grey, shape: SHAPE, window }, step);
    assert.ok(grey.every((value) => Math.abs(value - 77) <= 1));
    const changed = after(step);
    assert.ok(changed.some((value, i) => isInside(i) && Math.abs(value - record[i]) > 20));
    assert.ok(changed.every((value, i) => isInside(i) || value === record[i]));
  });

  it('lighting adds its levels to the channels of the window', () => {
    const data = Uint8Array.from(record);
    applyLighting({ data, shape: SHAPE, window }, [10, -300, 0]);
    data.forEach((value, i) => {
      const level = [10, -300, 0][Math.floor(i / planes)];
      assert.equal(value, isInside(i) ? Math.min(255, Math.max(0, record[i] + level)) : record[i]);
    });
  });
});

describe('an augmenter', () => {
  it('is not needed for a transform that crops records as they are', () => {
    for (const preset of ['caffe-alexnet', 'caffe-googlenet', 'eval'] as const) {
      assert.equal(augmentedBytes(completeTransform({ preset }), SHAPE), 0);
    }
    assert.equal(augmentedBytes(completeTransform({ preset: 'resnet' }), SHAPE), 3 * 224 * 224);
  });

  it('gives a sample the same pixels whatever came before, leaves the record alone, and changes with the epoch', () => {
    const transform = completeTransform({
      cropSize: 12,
      lighting: 0.1,
      colorJitter: { brightness: 0.5, contrast: 0.5, saturation: 0.5, hue: 0.2 },
    });
    const augmenter = createAugmenter(transform, SHAPE, 9);
    const cropOf = (id: number, epoch: number): number[] => {
      const pixels = fixturePixels(SHAPE, id);
      const before = Uint8Array.from(pixels);
      const window = windowOf(transform, SHAPE, 9, epoch, id);
      const augmented = augmenter.augment(pixels, window, epoch, id);
      assert.deepEqual(pixels, before);
      return Array.from({ length: 12 }, (_, row) => {
        const begin = (window.y + row) * SHAPE.width + window.x;
        return [...augmented.subarray(begin, begin + 12)];
      }).flat();
    };
    const first = cropOf(3, 1);
    cropOf(4, 1);
    assert.notDeepEqual(cropOf(3, 2), first);
    assert.deepEqual(cropOf(3, 1), first);
  });
});
