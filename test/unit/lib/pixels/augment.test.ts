import assert from 'node:assert/strict';
import fc from 'fast-check';
import { colorStepsOf, FACTOR_ONE, lightingOf, type ColorStep } from '../../../../lib/core/color-draws.js';
import { mix32 } from '../../../../lib/core/keyed-hash.js';
import { completeTransform } from '../../../../lib/core/presets.js';
import { numElements } from '../../../../lib/core/tensor.js';
import { windowOf } from '../../../../lib/core/transform.js';
import { augmentedBytes, createAugmenter } from '../../../../lib/pixels/augment/augmenter.js';
import { COLORIST_SLACK_BYTES, createColorist, type ColorImage } from '../../../../lib/pixels/augment/color.js';
import { createCropResizer, cropResizerBytes } from '../../../../lib/pixels/augment/resized-crop.js';
import { createSharedMemory } from '../../../../lib/pixels/sample-kernels-module.js';
import { PLAIN_TOOLS } from '../../../fixtures/plain-augment.js';
import { fixturePixels } from '../../../fixtures/split.js';

const SHAPE = { height: 24, width: 31, channels: 3 };
const record = fixturePixels(SHAPE, 1);
const sides = fc.integer({ min: 1, max: 60 });

describe('a resized crop', () => {
  it('is what the resize of preprocessing, and so OpenCV, makes of the cut-out part, and nothing beside it is touched', () => {
    const cases = fc.record({
      height: sides,
      width: sides,
      part: fc.record({ height: sides, width: sides }),
      isHalved: fc.boolean(),
      offset: fc.nat(9),
      channels: fc.constantFrom(1, 3),
    });
    fc.assert(
      fc.property(cases, ({ height, width, part, isHalved, offset, channels }) => {
        const size = isHalved ? { height: 2 * height, width: 2 * width } : part;
        const rectangle = { y: offset, x: 9 - offset, ...size };
        const stored = { height: size.height + offset, width: size.width + 9 - offset, channels };
        const shape = { height, width, channels };
        const source = 16 + Math.ceil(cropResizerBytes(shape) / 16) * 16;
        const target = source + numElements(stored) + 1;
        const memory = createSharedMemory(target + numElements(shape) + 1);
        const bytes = new Uint8Array(memory.buffer);
        for (let i = source; i < bytes.length; i++) bytes[i] = mix32(i) >>> 24;
        const expected = Uint8Array.from(bytes.subarray(source));
        const pixels = bytes.subarray(source, source + numElements(stored));
        const room = expected.subarray(target - source, target - source + numElements(shape));
        PLAIN_TOOLS.resize(room, shape, Uint8Array.from(pixels), stored, rectangle);
        const made = bytes.subarray(target, target + numElements(shape));
        createCropResizer(memory, 16)(made, shape, pixels, stored, rectangle);
        assert.ok(Buffer.from(bytes.subarray(source)).equals(expected));
        assert.deepEqual([...bytes.subarray(0, 16)], new Array(16).fill(0));
      }),
    );
  });
});

describe('color', () => {
  const memory = createSharedMemory(1 << 16);
  const room = new Uint8Array(memory.buffer);
  const colorist = createColorist(memory);
  /** An image that lies in the memory, at a place of any alignment. */
  const place = (image: ColorImage, at = 64): ColorImage => {
    room.set(image.data, at);
    return { ...image, data: room.subarray(at, at + image.data.length) };
  };

  it('steps and lighting are their plain forms to the bit, in any order and window, and nothing beside it is touched', () => {
    const draws = fc.record({
      window: fc.record({ y: fc.nat(5), x: fc.nat(20), height: sides, width: sides }),
      right: fc.nat(20),
      at: fc.integer({ min: 64, max: 80 }),
      colorJitter: fc.record({
        brightness: fc.constantFrom(0, 0.4, 2),
        contrast: fc.constantFrom(0, 0.4, 2),
        saturation: fc.constantFrom(0, 0.4, 2),
        hue: fc.constantFrom(0, 0.1, 0.5),
      }),
      lighting: fc.constantFrom(0, 0.1, 1),
      contents: fc.constantFrom('noise', 'black', 'white'),
      sampleId: fc.nat(),
    });
    fc.assert(
      fc.property(draws, ({ window, right, at, colorJitter, lighting, contents, sampleId }) => {
        const shape = { height: window.y + window.height, width: window.x + window.width + right, channels: 3 };
        const noise = fixturePixels(shape, sampleId);
        const data = contents === 'noise' ? noise : noise.fill(contents === 'black' ? 0 : 255);
        for (let i = 0; i < room.length; i++) room[i] = mix32(i) >>> 24;
        const image = place({ data, shape, window }, at);
        const expected = Buffer.from(room);
        const plain = { shape, window, data: expected.subarray(at, at + data.length) };
        for (const step of colorStepsOf({ colorJitter }, 7, 0, sampleId)) {
          colorist.applyStep(image, step);
          PLAIN_TOOLS.color.applyStep(plain, step);
        }
        const levels = lightingOf({ lighting }, 7, 0, sampleId);
        if (levels !== undefined) {
          colorist.applyLighting(image, levels);
          PLAIN_TOOLS.color.applyLighting(plain, levels);
        }
        assert.ok(expected.equals(room));
      }),
      { numRuns: 400 },
    );
  });

  const window = { y: 2, x: 3, height: 10, width: 20 };
  const after = (step: ColorStep): Uint8Array => {
    const image = place({ data: record, shape: SHAPE, window });
    colorist.applyStep(image, step);
    return image.data;
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
    const grey = place({ data: new Uint8Array(record.length).fill(77), shape: SHAPE, window });
    colorist.applyStep(grey, step);
    assert.ok(grey.data.every((value) => Math.abs(value - 77) <= 1));
    const changed = after(step);
    assert.ok(changed.some((value, i) => isInside(i) && Math.abs(value - record[i]) > 20));
    assert.ok(changed.every((value, i) => isInside(i) || value === record[i]));
  });

  it('lighting adds its levels to the channels of the window', () => {
    const image = place({ data: record, shape: SHAPE, window });
    colorist.applyLighting(image, [10, -300, 0]);
    image.data.forEach((value, i) => {
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
    assert.equal(augmentedBytes(completeTransform({ preset: 'resnet' }), SHAPE), 3 * 224 * 224 + COLORIST_SLACK_BYTES);
  });

  it('gives a sample the same pixels whatever came before, leaves the record alone, and changes with the epoch', () => {
    const transform = completeTransform({
      cropSize: 12,
      lighting: 0.1,
      colorJitter: { brightness: 0.5, contrast: 0.5, saturation: 0.5, hue: 0.2 },
    });
    const memory = createSharedMemory(1 << 16);
    const data = new Uint8Array(memory.buffer, 0, augmentedBytes(transform, SHAPE));
    const tools = { resize: createCropResizer(memory, 1 << 15), color: createColorist(memory) };
    const augmenter = createAugmenter(transform, SHAPE, 9, data, tools);
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
