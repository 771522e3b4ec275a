/**
 * `--resize area`: every source pixel counts by the area of it that an output pixel covers, so that nothing is skipped and fine
 * patterns do not turn into coarse ones. Across first, then down, in integers: the same bytes everywhere. Within 1 of OpenCV's
 * INTER_AREA where both sides shrink.
 *
 * The plain form of `kernels/area.ts`, which is tested against it.
 */
import { areaTaps, type AreaTaps } from './area-taps.js';
import type { DecodedImage } from './image.js';

// Weights have 14 bits of fraction. Between the passes 7 remain, which is what 16 bits can hold of 255.
const ACROSS_SHIFT = 7;
const DOWN_SHIFT = 21;

/** Resizes an image to `width` × `height` pixels. Returns a new planar array `[3, height, width]` in B, G, R order. */
export function resizeArea(image: DecodedImage, width: number, height: number): Uint8Array {
  const across = areaTaps(image.width, width);
  const { first, numTaps, weights } = areaTaps(image.height, height);
  const target = new Uint8Array(3 * width * height);
  const sums = new Int32Array(3 * width);
  for (let y = 0; y < height; y++) {
    sums.fill(1 << (DOWN_SHIFT - 1));
    for (let tap = 0; tap < numTaps; tap++) {
      const weight = weights[y * numTaps + tap];
      if (weight === 0) continue;
      const row = resizeRow(image, first[y] + tap, across);
      for (let i = 0; i < sums.length; i++) sums[i] += row[i] * weight;
    }
    for (let channel = 0; channel < 3; channel++) {
      for (let x = 0; x < width; x++) {
        target[(channel * height + y) * width + x] = sums[channel * width + x] >> DOWN_SHIFT;
      }
    }
  }
  return target;
}

/** A source row resized across, `[3, width]` in B, G, R order. */
function resizeRow({ width: sourceWidth, data }: DecodedImage, y: number, taps: AreaTaps): Int32Array {
  const { first, numTaps, weights } = taps;
  const width = first.length;
  const row = new Int32Array(3 * width);
  for (let channel = 0; channel < 3; channel++) {
    for (let x = 0; x < width; x++) {
      let sum = 1 << (ACROSS_SHIFT - 1);
      for (let tap = 0; tap < numTaps; tap++) {
        const weight = weights[x * numTaps + tap];
        if (weight !== 0) sum += data[(y * sourceWidth + first[x] + tap) * 3 + 2 - channel] * weight;
      }
      row[channel * width + x] = sum >> ACROSS_SHIFT;
    }
  }
  return row;
}
