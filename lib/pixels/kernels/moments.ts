/** Sums and sums of squares of each pixel over several images; `../pixel-moments.ts` says what for. */

/**
 * Adds images in pairs, so that a pixel of both, as two i16, is squared and added by one dot product.
 *
 * @param images the first image; each takes `numBytes`
 * @param numImages even, at most 256, that 16 bits hold the sums of a call
 * @param numBytes of an image, a multiple of 16
 * @param sums u32 of each byte
 * @param squares u32 of each byte
 */
export function addMoments(images: usize, numImages: usize, numBytes: usize, sums: usize, squares: usize): void {
  const end = images + numImages * numBytes;
  for (const endOfFirst = images + numBytes; images < endOfFirst; images += 16, sums += 64, squares += 64) {
    let sumsLow = i16x8.splat(0);
    let sumsHigh = i16x8.splat(0);
    let squares0 = v128.load(squares);
    let squares1 = v128.load(squares, 16);
    let squares2 = v128.load(squares, 32);
    let squares3 = v128.load(squares, 48);
    for (let image = images; image < end; image += 2 * numBytes) {
      const a = v128.load(image);
      const b = v128.load(image + numBytes);
      const low = i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      const high = i8x16.shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
      sumsLow = i16x8.add(sumsLow, i16x8.extadd_pairwise_i8x16_u(low));
      sumsHigh = i16x8.add(sumsHigh, i16x8.extadd_pairwise_i8x16_u(high));
      squares0 = i32x4.add(squares0, squareOfPairs(i16x8.extend_low_i8x16_u(low)));
      squares1 = i32x4.add(squares1, squareOfPairs(i16x8.extend_high_i8x16_u(low)));
      squares2 = i32x4.add(squares2, squareOfPairs(i16x8.extend_low_i8x16_u(high)));
      squares3 = i32x4.add(squares3, squareOfPairs(i16x8.extend_high_i8x16_u(high)));
    }
    v128.store(squares, squares0);
    v128.store(squares, squares1, 16);
    v128.store(squares, squares2, 32);
    v128.store(squares, squares3, 48);
    v128.store(sums, i32x4.add(v128.load(sums), i32x4.extend_low_i16x8_u(sumsLow)));
    v128.store(sums, i32x4.add(v128.load(sums, 16), i32x4.extend_high_i16x8_u(sumsLow)), 16);
    v128.store(sums, i32x4.add(v128.load(sums, 32), i32x4.extend_low_i16x8_u(sumsHigh)), 32);
    v128.store(sums, i32x4.add(v128.load(sums, 48), i32x4.extend_high_i16x8_u(sumsHigh)), 48);
  }
}

function squareOfPairs(pairs: v128): v128 {
  return i32x4.dot_i16x8_s(pairs, pairs);
}

/**
 * Adds an image to sums in float32, one rounding a value.
 *
 * @param image `numBytes`, a multiple of 16
 * @param sums f32 of each byte
 */
export function addFloats(image: usize, numBytes: usize, sums: usize): void {
  for (const end = image + numBytes; image < end; image += 16, sums += 64) {
    const values = v128.load(image);
    const low = i16x8.extend_low_i8x16_u(values);
    const high = i16x8.extend_high_i8x16_u(values);
    addFour(sums, i32x4.extend_low_i16x8_u(low));
    addFour(sums + 16, i32x4.extend_high_i16x8_u(low));
    addFour(sums + 32, i32x4.extend_low_i16x8_u(high));
    addFour(sums + 48, i32x4.extend_high_i16x8_u(high));
  }
}

function addFour(sums: usize, values: v128): void {
  v128.store(sums, f32x4.add(v128.load(sums), f32x4.convert_i32x4_u(values)));
}
