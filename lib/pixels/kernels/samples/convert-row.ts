/**
 * One row of one channel: mirrored if need be, and converted. Sixteen pixels at a time; the last sixteen may overlap the sixteen
 * before them, so that nothing past the row is touched.
 */

import { reverse } from './interleave-row';

export const UINT8: u32 = 0;
export const FLOAT32: u32 = 1;
export const FLOAT16: u32 = 2;
export const BFLOAT16: u32 = 3;

/** Copies a row of bytes. */
export function copyRow(from: usize, to: usize, width: usize, isMirrored: bool): void {
  if (!isMirrored) {
    memory.copy(to, from, width);
    return;
  }
  if (width < 16) {
    for (let x: usize = 0; x < width; x++) store<u8>(to + x, load<u8>(from + width - 1 - x));
    return;
  }
  const last = width - 16;
  for (let x: usize = 0; ; x = min(x + 16, last)) {
    v128.store(to + x, reverse(v128.load(from + last - x)));
    if (x === last) return;
  }
}

/** (pixel - mean) × factor, rounded to float32 after each of the two, and then to the element type. `mean` is a row of float32. */
export function floatRow(
  from: usize,
  mean: usize,
  factor: f32,
  to: usize,
  width: usize,
  dtype: u32,
  isMirrored: bool,
): void {
  if (width < 16) {
    for (let x: usize = 0; x < width; x++) {
      const at = isMirrored ? width - 1 - x : x;
      const value = (<f32>load<u8>(from + at) - load<f32>(mean + at * 4)) * factor;
      if (dtype === FLOAT32) store<f32>(to + x * 4, value);
      else {
        const bits = dtype === FLOAT16 ? toFloat16(f32x4.splat(value)) : toBfloat16(f32x4.splat(value));
        store<u16>(to + x * 2, <u16>i32x4.extract_lane(bits, 0));
      }
    }
    return;
  }
  const factors = f32x4.splat(factor);
  const last = width - 16;
  for (let x: usize = 0; ; x = min(x + 16, last)) {
    const at = isMirrored ? last - x : x;
    const pixels = v128.load(from + at);
    const low = i16x8.extend_low_i8x16_u(pixels);
    const high = i16x8.extend_high_i8x16_u(pixels);
    const row = mean + at * 4;
    const a = subtract(i32x4.extend_low_i16x8_u(low), v128.load(row), factors);
    const b = subtract(i32x4.extend_high_i16x8_u(low), v128.load(row, 16), factors);
    const c = subtract(i32x4.extend_low_i16x8_u(high), v128.load(row, 32), factors);
    const d = subtract(i32x4.extend_high_i16x8_u(high), v128.load(row, 48), factors);
    if (dtype === FLOAT32) storeFloats(to + x * 4, a, b, c, d, isMirrored);
    else if (dtype === FLOAT16)
      storeHalves(to + x * 2, toFloat16(a), toFloat16(b), toFloat16(c), toFloat16(d), isMirrored);
    else storeHalves(to + x * 2, toBfloat16(a), toBfloat16(b), toBfloat16(c), toBfloat16(d), isMirrored);
    if (x === last) return;
  }
}

function subtract(pixels: v128, mean: v128, factors: v128): v128 {
  return f32x4.mul(f32x4.sub(f32x4.convert_i32x4_s(pixels), mean), factors);
}

function storeFloats(to: usize, a: v128, b: v128, c: v128, d: v128, isMirrored: bool): void {
  if (isMirrored) {
    v128.store(to, i32x4.shuffle(d, d, 3, 2, 1, 0));
    v128.store(to, i32x4.shuffle(c, c, 3, 2, 1, 0), 16);
    v128.store(to, i32x4.shuffle(b, b, 3, 2, 1, 0), 32);
    v128.store(to, i32x4.shuffle(a, a, 3, 2, 1, 0), 48);
  } else {
    v128.store(to, a);
    v128.store(to, b, 16);
    v128.store(to, c, 32);
    v128.store(to, d, 48);
  }
}

function storeHalves(to: usize, a: v128, b: v128, c: v128, d: v128, isMirrored: bool): void {
  const low = i16x8.narrow_i32x4_u(a, b);
  const high = i16x8.narrow_i32x4_u(c, d);
  if (isMirrored) {
    const backwards = i8x16(14, 15, 12, 13, 10, 11, 8, 9, 6, 7, 4, 5, 2, 3, 0, 1);
    v128.store(to, i8x16.swizzle(high, backwards));
    v128.store(to, i8x16.swizzle(low, backwards), 16);
  } else {
    v128.store(to, low);
    v128.store(to, high, 16);
  }
}

/** Bits of four float16, in i32 lanes: nearest, ties to even. Of numbers only; what is too large becomes infinity. */
function toFloat16(values: v128): v128 {
  const sign = v128.and(values, i32x4.splat(<i32>0x80000000));
  const bits = v128.xor(values, sign);
  // Ten bits of fraction stay of 23, and the exponent's bias goes from 127 to 15.
  const isOdd = v128.and(i32x4.shr_u(bits, 13), i32x4.splat(1));
  const rounded = i32x4.add(bits, i32x4.add(isOdd, i32x4.splat(0xfff - (112 << 23))));
  const normal = i32x4.min_s(i32x4.shr_u(rounded, 13), i32x4.splat(0x7c00));
  // Below 2^-14, steps are of 2^-24: those of float32 at 1/2, so adding 1/2 rounds.
  const half = i32x4.splat(0x3f000000);
  const subnormal = i32x4.sub(f32x4.add(bits, half), half);
  const isSubnormal = i32x4.lt_s(bits, i32x4.splat(113 << 23));
  return v128.or(v128.bitselect(subnormal, normal, isSubnormal), i32x4.shr_u(sign, 16));
}

/** Bits of four bfloat16, in i32 lanes: nearest, ties to even. Of numbers only. */
function toBfloat16(values: v128): v128 {
  const isOdd = v128.and(i32x4.shr_u(values, 16), i32x4.splat(1));
  return i32x4.shr_u(i32x4.add(values, i32x4.add(isOdd, i32x4.splat(0x7fff))), 16);
}
