/**
 * A separable filter of any number of taps with 14-bit weights, integer for integer as in `../resize-area.ts`, which is its
 * test oracle. Rows are resized across one at a time and added up down the image, so memory does not depend on its height.
 *
 * Taps are taken two at a time: one load of eight bytes has two pixels. What is read past a row's end has the weight 0; past
 * the image's end there must be 16 readable bytes.
 */

/**
 * @param source first pixel, interleaved R, G, B
 * @param stride bytes from one source row to the next
 * @param offsets u32 of each target column: byte offset of its first tap in a row
 * @param weights `numTaps` i16 of each target column
 * @param numTaps a multiple of 2
 * @param firstRows u32 of each target row: the source row of its first tap
 * @param rowWeights `numRowTaps` i16 of each target row
 * @param scratch 32 bytes for each column of `width`, rounded up to a multiple of 2
 * @param target planar B, G, R
 */
export function resizeArea(
  source: usize,
  stride: usize,
  offsets: usize,
  weights: usize,
  numTaps: usize,
  firstRows: usize,
  rowWeights: usize,
  numRowTaps: usize,
  scratch: usize,
  target: usize,
  width: usize,
  height: usize,
): void {
  const paddedWidth = (width + 1) & ~1;
  const plane = width * height;
  // The two source rows used last, resized across: R, G, B, 0 in i16 with 7 bits of fraction. Even rows lie in the first.
  const resized = scratch;
  const sums = scratch + paddedWidth * 16;
  let evenRow: usize = usize.MAX_VALUE;
  let oddRow: usize = usize.MAX_VALUE;

  for (let y: usize = 0; y < height; y++, target += width) {
    memory.fill(sums, 0, paddedWidth * 16);
    const first = <usize>load<u32>(firstRows + y * 4);
    for (let tap: usize = 0; tap < numRowTaps; tap++, rowWeights += 2) {
      const weight = load<i16>(rowWeights);
      if (weight === 0) continue;
      const row = first + tap;
      const isOdd = (row & 1) !== 0;
      const at = isOdd ? resized + paddedWidth * 8 : resized;
      if ((isOdd ? oddRow : evenRow) !== row) {
        resizeRow(source + row * stride, offsets, weights, numTaps, at, width);
        if (isOdd) oddRow = row;
        else evenRow = row;
      }
      addRow(at, weight, sums, paddedWidth);
    }
    for (let x: usize = 0; x < width; x++) {
      const pixel = i32x4.shr_s(i32x4.add(v128.load(sums + x * 16), i32x4.splat(1 << 20)), 21);
      v128.store8_lane(target + x, pixel, 8);
      v128.store8_lane(target + x + plane, pixel, 4);
      v128.store8_lane(target + x + 2 * plane, pixel, 0);
    }
  }
}

function resizeRow(row: usize, offsets: usize, weights: usize, numTaps: usize, to: usize, width: usize): void {
  const weightBytes = numTaps * 2;
  for (const end = offsets + width * 4; offsets < end; offsets += 4, to += 8) {
    let from = row + load<u32>(offsets);
    let sum = i32x4.splat(1 << 6);
    for (const endOfWeights = weights + weightBytes; weights < endOfWeights; weights += 4, from += 6) {
      // R, R', G, G', B, B' as u16: an index past 15 gives 0.
      const taps = i8x16.swizzle(
        v128.load64_zero(from),
        i8x16(0, 16, 3, 16, 1, 16, 4, 16, 2, 16, 5, 16, 16, 16, 16, 16),
      );
      sum = i32x4.add(sum, i32x4.dot_i16x8_s(taps, v128.load32_splat(weights)));
    }
    const pixel = i32x4.shr_s(sum, 7);
    v128.store64_lane(to, i16x8.narrow_i32x4_s(pixel, pixel), 0);
  }
}

function addRow(row: usize, weight: i16, sums: usize, paddedWidth: usize): void {
  const weights = i16x8.splat(weight);
  for (const end = row + paddedWidth * 8; row < end; row += 16, sums += 32) {
    const values = v128.load(row);
    v128.store(sums, i32x4.add(v128.load(sums), i32x4.extmul_low_i16x8_s(values, weights)));
    v128.store(sums, i32x4.add(v128.load(sums, 16), i32x4.extmul_high_i16x8_s(values, weights)), 16);
  }
}
