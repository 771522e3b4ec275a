/** Two rows that were resized across, to a row of pixels between them: the second half of OpenCV's INTER_LINEAR. */

/**
 * @param upper i16 of each column, shifted right by 4 as the weights of 11 bits need it
 * @param to bytes of as many columns
 */
export function blendRows(
  upper: usize,
  lower: usize,
  upperWeight: i32,
  lowerWeight: i32,
  to: usize,
  width: usize,
): void {
  if (width < 8) {
    for (let x: usize = 0; x < width; x++) {
      const above = (<i32>load<i16>(upper + x * 2) * upperWeight) >> 16;
      const below = (<i32>load<i16>(lower + x * 2) * lowerWeight) >> 16;
      store<u8>(to + x, (above + below + 2) >> 2);
    }
    return;
  }
  const upperWeights = i16x8.splat(<i16>upperWeight);
  const lowerWeights = i16x8.splat(<i16>lowerWeight);
  const last = width - 8;
  // The last eight may overlap the eight before them.
  for (let x: usize = 0; ; x = min(x + 8, last)) {
    const above = multiplyHigh(v128.load(upper + x * 2), upperWeights);
    const below = multiplyHigh(v128.load(lower + x * 2), lowerWeights);
    const sum = i16x8.add(i16x8.add(above, below), i16x8.splat(2));
    const values = i16x8.shr_s(sum, 2);
    v128.store64_lane(to + x, i8x16.narrow_i16x8_u(values, values), 0);
    if (x === last) return;
  }
}

/** The upper 16 bits of each product. */
function multiplyHigh(a: v128, b: v128): v128 {
  const low = i32x4.extmul_low_i16x8_s(a, b);
  const high = i32x4.extmul_high_i16x8_s(a, b);
  return i16x8.narrow_i32x4_s(i32x4.shr_s(low, 16), i32x4.shr_s(high, 16));
}
