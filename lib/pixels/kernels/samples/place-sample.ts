/**
 * A window of a stored sample to its place in a batch, in one pass: crop, mirror, channel order, layout, mean, factor and element
 * type. `lib/core/crop.ts` and `lib/core/transform.ts` are its twin and test oracle, bit for bit.
 *
 * Pixels are brought into order while they are bytes, and mean and factors are in order already, so that conversion is one way
 * for all.
 */
import { copyRows, floatRow, FLOAT32, UINT8 } from './convert-row';
import { interleaveRow } from './interleave-row';

/**
 * @param source first pixel of the window in the first plane, planar
 * @param stride bytes from one source row to the next
 * @param plane bytes from one source plane to the next
 * @param means float32 of the first element's mean, mirrored, ordered and laid out as the elements are to be; not read for uint8
 * @param meanStride bytes from one row of them to the next; 0: all rows have the same
 * @param meanPlane bytes from one plane of them to the next, when not interleaved
 * @param factors a row of float32 for each plane, or one when interleaved: what elements are multiplied by; 0: by nothing
 * @param factorPlane bytes from one of these rows to the next
 * @param scratch room for a row of pixels of three channels: used when interleaved
 * @param target `[height, width, channels]` when interleaved, else `[channels, height, width]`
 * @param channels 3 when interleaved
 */
export function placeSample(
  source: usize,
  stride: usize,
  plane: usize,
  means: usize,
  meanStride: usize,
  meanPlane: usize,
  factors: usize,
  factorPlane: usize,
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
  if (isInterleaved) {
    const length: usize = 3 * width;
    const a: usize = isReversed ? 2 * plane : 0;
    const c: usize = isReversed ? 0 : 2 * plane;
    for (let y: usize = 0; y < height; y++, source += stride, means += meanStride, target += length * elementBytes) {
      const pixels = dtype === UINT8 ? target : scratch;
      interleaveRow(source + a, source + plane, source + c, pixels, width, isMirrored);
      if (dtype !== UINT8) floatRow(pixels, means, factors, target, length, dtype, false);
    }
    return;
  }
  for (let place: usize = 0; place < channels; place++) {
    let pixels = source + (isReversed ? channels - 1 - place : place) * plane;
    let mean = means + place * meanPlane;
    if (dtype === UINT8) {
      copyRows(pixels, stride, target, width, height, isMirrored);
      target += width * height;
      continue;
    }
    const factor: usize = factors === 0 ? 0 : factors + place * factorPlane;
    for (let y: usize = 0; y < height; y++, pixels += stride, mean += meanStride, target += width * elementBytes) {
      floatRow(pixels, mean, factor, target, width, dtype, isMirrored);
    }
  }
}
