/**
 * A window of a stored sample to its place in a batch, in one pass: crop, mirror, channel order, layout, mean, factor and element
 * type. `lib/core/crop.ts` and `lib/core/transform.ts` are its twin and test oracle, bit for bit.
 */
import { copyRow, floatRow, FLOAT32, UINT8 } from './convert-row';
import { interleaveRow } from './interleave-row';

/**
 * @param source first pixel of the window in the first plane, planar
 * @param stride bytes from one source row to the next
 * @param plane bytes from one source plane to the next
 * @param mean float32 of the first pixel's mean; not read for uint8
 * @param meanStride bytes from one row of the mean to the next; 0: all rows have the same
 * @param meanPlane bytes from one plane of the mean to the next
 * @param factors float32 of each channel, after the subtraction; not read for uint8
 * @param scratch room for one row of three channels, 16 bytes more for each: used when interleaved
 * @param target `[height, width, channels]` when interleaved, else `[channels, height, width]`
 * @param channels 3 when interleaved
 */
export function placeSample(
  source: usize,
  stride: usize,
  plane: usize,
  mean: usize,
  meanStride: usize,
  meanPlane: usize,
  factors: usize,
  scratch: usize,
  target: usize,
  width: usize,
  height: usize,
  channels: usize,
  dtype: u32,
  isMirrored: bool,
  isInterleaved: bool,
  isReversed: bool,
): void {
  const elementBytes: usize = dtype === UINT8 ? 1 : dtype === FLOAT32 ? 4 : 2;
  const rowBytes = width * elementBytes;
  const rowRoom = (rowBytes + 15) & ~15;

  for (let y: usize = 0; y < height; y++, source += stride, mean += meanStride) {
    if (isInterleaved && dtype === UINT8) {
      const first = isReversed ? source + 2 * plane : source;
      const third = isReversed ? source : source + 2 * plane;
      interleaveRow(first, source + plane, third, target + y * rowBytes * 3, width, 1, isMirrored);
      continue;
    }
    for (let channel: usize = 0; channel < channels; channel++) {
      const place = isReversed ? channels - 1 - channel : channel;
      const to = isInterleaved ? scratch + place * rowRoom : target + (place * height + y) * rowBytes;
      const from = source + channel * plane;
      if (dtype === UINT8) copyRow(from, to, width, isMirrored);
      else {
        const factor = load<f32>(factors + channel * 4);
        floatRow(from, mean + channel * meanPlane, factor, to, width, dtype, isMirrored);
      }
    }
    if (isInterleaved) {
      const to = target + y * rowBytes * 3;
      interleaveRow(scratch, scratch + rowRoom, scratch + 2 * rowRoom, to, width, elementBytes, false);
    }
  }
}
