/**
 * A part of a planar image, resized: OpenCV's INTER_LINEAR, integer for integer as in `../../resize-bilinear.ts`, which is its test
 * oracle.
 *
 * A pixel and its right neighbour are two bytes, so one load has both taps. What is read past a row's end has the weight 0; past the
 * image's end there must be a readable byte.
 */
import { averageOfFour } from '../average';
import { blendRows } from '../blend-rows';

/**
 * @param source first pixel of the part in the first plane
 * @param stride bytes from one source row to the next
 * @param plane bytes from one source plane to the next
 * @param offsets u32 of each target column, padded to a multiple of 8 columns: its first tap in a row
 * @param weights two i16 of each target column, padded likewise
 * @param rows of each target row: u32 first source row, u32 second source row, i32 and i32 their weights
 * @param scratch 4 bytes for each padded column
 * @param target planar
 */
export function resizeCrop(
  source: usize,
  stride: usize,
  plane: usize,
  channels: usize,
  offsets: usize,
  weights: usize,
  rows: usize,
  scratch: usize,
  target: usize,
  width: usize,
  height: usize,
): void {
  const paddedWidth = (width + 7) & ~7;
  // The two source rows that the target row lies between, resized across: i16.
  let upper = scratch;
  let lower = scratch + paddedWidth * 2;
  for (let channel: usize = 0; channel < channels; channel++, source += plane) {
    let upperRow: i32 = -1;
    let lowerRow: i32 = -1;
    for (let y: usize = 0; y < height; y++, target += width) {
      const first = load<i32>(rows + y * 16);
      const second = load<i32>(rows + y * 16, 4);
      if (upperRow !== first && lowerRow === first) {
        const at = upper;
        upper = lower;
        lower = at;
        lowerRow = upperRow;
        upperRow = first;
      }
      if (upperRow !== first) {
        resizeRow(source + <usize>first * stride, offsets, weights, upper, paddedWidth);
        upperRow = first;
      }
      if (lowerRow !== second) {
        resizeRow(source + <usize>second * stride, offsets, weights, lower, paddedWidth);
        lowerRow = second;
      }
      blendRows(upper, lower, load<i32>(rows + y * 16, 8), load<i32>(rows + y * 16, 12), target, width);
    }
  }
}

/** Eight columns at a time. */
function resizeRow(row: usize, offsets: usize, weights: usize, to: usize, paddedWidth: usize): void {
  for (const end = offsets + paddedWidth * 4; offsets < end; offsets += 32, weights += 32, to += 16) {
    let taps = v128.load16_splat(row + load<u32>(offsets));
    taps = v128.load16_lane(row + load<u32>(offsets, 4), taps, 1);
    taps = v128.load16_lane(row + load<u32>(offsets, 8), taps, 2);
    taps = v128.load16_lane(row + load<u32>(offsets, 12), taps, 3);
    taps = v128.load16_lane(row + load<u32>(offsets, 16), taps, 4);
    taps = v128.load16_lane(row + load<u32>(offsets, 20), taps, 5);
    taps = v128.load16_lane(row + load<u32>(offsets, 24), taps, 6);
    taps = v128.load16_lane(row + load<u32>(offsets, 28), taps, 7);
    const left = i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(taps), v128.load(weights));
    const right = i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(taps), v128.load(weights, 16));
    v128.store(to, i16x8.narrow_i32x4_s(i32x4.shr_s(left, 4), i32x4.shr_s(right, 4)));
  }
}

/**
 * Averages four pixels to one, as OpenCV does when both sides are halved exactly. Parameters as of {@link resizeCrop}.
 */
export function halveCrop(
  source: usize,
  stride: usize,
  plane: usize,
  channels: usize,
  target: usize,
  width: usize,
  height: usize,
): void {
  for (let channel: usize = 0; channel < channels; channel++, source += plane) {
    let from = source;
    for (let y: usize = 0; y < height; y++, from += 2 * stride, target += width) {
      if (width < 8) {
        for (let x: usize = 0; x < 2 * width; x += 2) {
          const above = <u32>load<u8>(from + x) + load<u8>(from + x, 1);
          const below = <u32>load<u8>(from + stride + x) + load<u8>(from + stride + x, 1);
          store<u8>(target + x / 2, (above + below + 2) >> 2);
        }
        continue;
      }
      const last = width - 8;
      // The last eight may overlap the eight before them.
      for (let x: usize = 0; ; x = min(x + 8, last)) {
        v128.store64_lane(target + x, averageOfFour(v128.load(from + 2 * x), v128.load(from + stride + 2 * x)), 0);
        if (x === last) break;
      }
    }
  }
}
