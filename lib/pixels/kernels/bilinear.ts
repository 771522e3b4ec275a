/**
 * OpenCV's INTER_LINEAR for 8-bit images, integer for integer as in `../resize-bilinear.ts`, which is its test oracle.
 *
 * A pixel and its right neighbour are six bytes, so one load of eight has both taps of all three channels. What is read past
 * a row's end has the weight 0; past the image's end there must be 8 readable bytes.
 */
import { blendRows } from './blend-rows';
import { NO } from './swizzle';

/**
 * @param source first pixel, interleaved R, G, B
 * @param stride bytes from one source row to the next
 * @param offsets u32 of each target column, padded to a multiple of 8 columns: byte offset of its first tap in a row
 * @param weights two i16 of each target column, padded likewise
 * @param rows of each target row: u32 first source row, u32 second source row, i32 and i32 their weights
 * @param scratch 12 bytes for each padded column
 * @param target planar B, G, R
 */
export function resizeBilinear(
  source: usize,
  stride: usize,
  offsets: usize,
  weights: usize,
  rows: usize,
  scratch: usize,
  target: usize,
  width: usize,
  height: usize,
): void {
  const paddedWidth = (width + 7) & ~7;
  const plane = width * height;
  // The two source rows that the target row lies between, resized across: planar B, G, R, i16.
  let upper = scratch;
  let lower = scratch + paddedWidth * 6;
  let upperRow: i32 = -1;
  let lowerRow: i32 = -1;

  for (let y: usize = 0; y < height; y++, rows += 16, target += width) {
    const first = load<i32>(rows);
    const second = load<i32>(rows, 4);
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
    const upperWeight = load<i32>(rows, 8);
    const lowerWeight = load<i32>(rows, 12);
    for (let channel: usize = 0; channel < 3; channel++) {
      const skip = channel * paddedWidth * 2;
      blendRows(upper + skip, lower + skip, upperWeight, lowerWeight, target + channel * plane, width);
    }
  }
}

function resizeRow(row: usize, offsets: usize, weights: usize, to: usize, paddedWidth: usize): void {
  const plane = paddedWidth * 2;
  for (const end = offsets + paddedWidth * 4; offsets < end; offsets += 32, weights += 32, to += 16) {
    const a = loadTwo(row, offsets);
    const b = loadTwo(row, offsets + 8);
    const c = loadTwo(row, offsets + 16);
    const d = loadTwo(row, offsets + 24);
    const left = v128.load(weights);
    const right = v128.load(weights, 16);
    const redGreenLeft = v128.or(
      i8x16.swizzle(a, i8x16(0, 3, 8, 11, NO, NO, NO, NO, 1, 4, 9, 12, NO, NO, NO, NO)),
      i8x16.swizzle(b, i8x16(NO, NO, NO, NO, 0, 3, 8, 11, NO, NO, NO, NO, 1, 4, 9, 12)),
    );
    const redGreenRight = v128.or(
      i8x16.swizzle(c, i8x16(0, 3, 8, 11, NO, NO, NO, NO, 1, 4, 9, 12, NO, NO, NO, NO)),
      i8x16.swizzle(d, i8x16(NO, NO, NO, NO, 0, 3, 8, 11, NO, NO, NO, NO, 1, 4, 9, 12)),
    );
    const blueLeft = v128.or(
      i8x16.swizzle(a, i8x16(2, 5, 10, 13, NO, NO, NO, NO, 2, 5, 10, 13, NO, NO, NO, NO)),
      i8x16.swizzle(b, i8x16(NO, NO, NO, NO, 2, 5, 10, 13, NO, NO, NO, NO, 2, 5, 10, 13)),
    );
    const blueRight = v128.or(
      i8x16.swizzle(c, i8x16(2, 5, 10, 13, NO, NO, NO, NO, 2, 5, 10, 13, NO, NO, NO, NO)),
      i8x16.swizzle(d, i8x16(NO, NO, NO, NO, 2, 5, 10, 13, NO, NO, NO, NO, 2, 5, 10, 13)),
    );
    v128.store(to, weigh(i16x8.extend_low_i8x16_u(blueLeft), left, i16x8.extend_low_i8x16_u(blueRight), right));
    v128.store(
      to + plane,
      weigh(i16x8.extend_high_i8x16_u(redGreenLeft), left, i16x8.extend_high_i8x16_u(redGreenRight), right),
    );
    v128.store(
      to + 2 * plane,
      weigh(i16x8.extend_low_i8x16_u(redGreenLeft), left, i16x8.extend_low_i8x16_u(redGreenRight), right),
    );
  }
}

/** Both taps of two columns, in the lower and the upper eight bytes. */
function loadTwo(row: usize, offsets: usize): v128 {
  return v128.load64_lane(row + load<u32>(offsets, 4), v128.load64_zero(row + load<u32>(offsets)), 1);
}

/** Eight columns of one channel out of the pairs of taps of four and four. */
function weigh(left: v128, leftWeights: v128, right: v128, rightWeights: v128): v128 {
  return i16x8.narrow_i32x4_s(
    i32x4.shr_s(i32x4.dot_i16x8_s(left, leftWeights), 4),
    i32x4.shr_s(i32x4.dot_i16x8_s(right, rightWeights), 4),
  );
}
