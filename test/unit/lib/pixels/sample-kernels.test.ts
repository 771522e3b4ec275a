/** The kernel of batch assembly against its plain forms in lib/core, bit for bit. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { copyCrop, type CropWindow } from '../../../../lib/core/crop.js';
import { toBfloat16, toFloat16 } from '../../../../lib/core/half-float.js';
import { mix32 } from '../../../../lib/core/keyed-hash.js';
import { completeTransform } from '../../../../lib/core/presets.js';
import { numElements, type SampleShape } from '../../../../lib/core/tensor.js';
import { createMeanSubtractor, croppedShape, type Mean, type Transform } from '../../../../lib/core/transform.js';
import { createSamplePlacer, kernelValues, placedBytes, scratchBytes } from '../../../../lib/pixels/sample-kernels.js';
import { createSharedMemory } from '../../../../lib/pixels/sample-kernels-module.js';

interface Case {
  readonly stored: SampleShape;
  readonly window: CropWindow;
  readonly transform: Transform;
}

const side = fc.integer({ min: 1, max: 60 });
const room = fc.nat(9);

const cases: fc.Arbitrary<Case> = fc
  .record({
    width: side,
    height: side,
    left: room,
    right: room,
    top: room,
    bottom: room,
    isMirrored: fc.boolean(),
    isWhole: fc.boolean(),
    channels: fc.constantFrom(1, 3),
    mean: fc.constantFrom('image', 'channel', 'values', 'none'),
    std: fc.constantFrom([], [57.375], [57.375, 57.12, 58.395]),
    scale: fc.constantFrom(1, Math.fround(0.017), 300, Math.fround(-1e-6)),
    dtype: fc.constantFrom('uint8', 'float32', 'float16', 'bfloat16'),
    layout: fc.constantFrom('NHWC', 'NCHW'),
    channelOrder: fc.constantFrom('BGR', 'RGB'),
  })
  .map(({ width, height, left, right, top, bottom, isMirrored, isWhole, channels, ...options }) => {
    const cropSize = isWhole ? undefined : Math.min(width, height);
    const stored = { width: left + width + right, height: top + height + bottom, channels };
    const transform = completeTransform({ ...options, meanValues: [103.53, 116.28, 123.675], cropSize, mirror: true });
    const cropped = croppedShape(stored, transform);
    const window = { y: isWhole ? 0 : top, x: isWhole ? 0 : left, height: cropped.height, width: cropped.width };
    return { stored, transform, window: { ...window, isMirrored } };
  });

const SOURCE = 64;
const MEAN = 1 << 16;
const SCRATCH = 5 << 16;
const TARGET = 6 << 16;
const GUARD = 0xa5;

describe('the sample kernel', () => {
  const memory = createSharedMemory(10 << 16);
  const bytes = new Uint8Array(memory.buffer);
  const guard = Buffer.alloc(bytes.length, GUARD);
  const isUntouched = (begin: number, end: number): boolean =>
    Buffer.from(memory.buffer, begin, end - begin).equals(guard.subarray(begin, end));

  it('places a sample as its plain form does, and touches nothing beside it', () => {
    fc.assert(
      fc.property(cases, fc.integer(), ({ stored, transform, window }, seed) => {
        const pixels = Uint8Array.from({ length: numElements(stored) }, (_, i) => mix32(seed + i) >>> 24);
        const mean: Mean = {
          image: Float32Array.from(pixels, (_, i) => mix32(seed - i) / 2 ** 24),
          channels: Array.from({ length: stored.channels }, (_, i) => mix32(seed ^ i) / 2 ** 24),
        };
        const expected = plainForm(pixels, stored, window, transform, mean);

        bytes.fill(GUARD);
        bytes.set(pixels, SOURCE);
        const values = kernelValues(transform, stored, mean);
        bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), MEAN);
        createSamplePlacer(memory, { values: MEAN, scratch: SCRATCH }, transform, stored)(SOURCE, window, TARGET);

        assert.equal(expected.length, placedBytes(transform, stored));
        const end = TARGET + expected.length;
        assert.ok(Buffer.from(bytes.subarray(TARGET, end)).equals(expected), 'other bytes');
        assert.ok(isUntouched(end, bytes.length), 'something past the sample');
        assert.ok(isUntouched(SCRATCH + scratchBytes(transform, stored), TARGET), 'something past the scratch room');
      }),
      { numRuns: 400 },
    );
  });

  it('refuses to interleave other than one or three channels', () => {
    const transform = completeTransform({ mean: 'none' });
    assert.throws(
      () => createSamplePlacer(memory, { values: 0, scratch: 0 }, transform, { width: 2, height: 2, channels: 4 }),
      RangeError,
    );
  });
});

/** The bytes of a sample by way of lib/core. */
function plainForm(
  pixels: Uint8Array,
  stored: SampleShape,
  window: CropWindow,
  transform: Transform,
  mean: Mean,
): Buffer {
  const { layout, channelOrder, dtype } = transform;
  const cropped = new Uint8Array(numElements(croppedShape(stored, transform)));
  copyCrop(cropped, 0, pixels, stored, window, layout, channelOrder);
  if (dtype === 'uint8') return Buffer.from(cropped.buffer);
  const values = new Float32Array(cropped.length);
  createMeanSubtractor(transform, stored, mean).subtract(values, cropped, 0, window);
  if (dtype === 'float32') return Buffer.from(values.buffer);
  return Buffer.from(Uint16Array.from(values, dtype === 'float16' ? toFloat16 : toBfloat16).buffer);
}
