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
  if (width < 16) {
    for (let x: usize = 0; x < width; x++) store<u8>(to + x, load<u8>(from + (isMirrored ? width - 1 - x : x)));
    return;
  }
  // Four vectors at a time; the last one may overlap the one before it.
  const lastTo = to + width - 16;
  const fourth = lastTo - 48;
  if (isMirrored) {
    const first = from;
    from += width - 16;
    for (; to <= fourth; to += 64, from -= 64) {
      v128.store(to, reverse(v128.load(from)));
      v128.store(to, reverse(v128.load(from - 16)), 16);
      v128.store(to, reverse(v128.load(from - 32)), 32);
      v128.store(to, reverse(v128.load(from - 48)), 48);
    }
    for (; to < lastTo; to += 16, from -= 16) v128.store(to, reverse(v128.load(from)));
    v128.store(lastTo, reverse(v128.load(first)));
    return;
  }
  // Not memory.copy: its call costs more than a row.
  const last = from + width - 16;
  for (; to <= fourth; to += 64, from += 64) {
    v128.store(to, v128.load(from));
    v128.store(to, v128.load(from, 16), 16);
    v128.store(to, v128.load(from, 32), 32);
    v128.store(to, v128.load(from, 48), 48);
  }
  for (; to < lastTo; to += 16, from += 16) v128.store(to, v128.load(from));
  v128.store(lastTo, v128.load(last));
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
        const values = f32x4.splat(value);
        const bits = dtype === FLOAT16 ? toFloat16(values, values) : toBfloat16(values, values);
        store<u16>(to + x * 2, i16x8.extract_lane_u(bits, 0));
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
    else if (dtype === FLOAT16) storeHalves(to + x * 2, toFloat16(a, b), toFloat16(c, d), isMirrored);
    else storeHalves(to + x * 2, toBfloat16(a, b), toBfloat16(c, d), isMirrored);
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

function storeHalves(to: usize, low: v128, high: v128, isMirrored: bool): void {
  if (isMirrored) {
    const backwards = i8x16(14, 15, 12, 13, 10, 11, 8, 9, 6, 7, 4, 5, 2, 3, 0, 1);
    v128.store(to, i8x16.swizzle(high, backwards));
    v128.store(to, i8x16.swizzle(low, backwards), 16);
  } else {
    v128.store(to, low);
    v128.store(to, high, 16);
  }
}

/** Bits of eight float16: nearest, ties to even. Of numbers only; what is too large becomes infinity. */
function toFloat16(a: v128, b: v128): v128 {
  const magnitude = i16x8.min_u(i16x8.narrow_i32x4_u(magnitude16(a), magnitude16(b)), i16x8.splat(0x7c00));
  const upper = i16x8.narrow_i32x4_s(i32x4.shr_s(a, 16), i32x4.shr_s(b, 16));
  return v128.or(magnitude, v128.and(upper, i16x8.splat(<i16>0x8000)));
}

/** Bits of four float16 without their signs, in i32 lanes; more than infinity's where the number is too large. */
function magnitude16(values: v128): v128 {
  const bits = f32x4.abs(values);
  // Ten bits of fraction stay of 23, and the exponent's bias goes from 127 to 15.
  const isOdd = v128.and(i32x4.shr_u(bits, 13), i32x4.splat(1));
  const normal = i32x4.shr_u(i32x4.add(bits, i32x4.add(isOdd, i32x4.splat(0xfff - (112 << 23)))), 13);
  // Below 2^-14, steps are of 2^-24: those of float32 at 1/2, so adding 1/2 rounds.
  const half = i32x4.splat(0x3f000000);
  const subnormal = i32x4.sub(f32x4.add(bits, half), half);
  return v128.bitselect(subnormal, normal, i32x4.lt_s(bits, i32x4.splat(113 << 23)));
}

/** Bits of eight bfloat16: nearest, ties to even. Of numbers only. */
function toBfloat16(a: v128, b: v128): v128 {
  return i16x8.narrow_i32x4_u(upperHalf(a), upperHalf(b));
}

function upperHalf(values: v128): v128 {
  const isOdd = v128.and(i32x4.shr_u(values, 16), i32x4.splat(1));
  return i32x4.shr_u(i32x4.add(values, i32x4.add(isOdd, i32x4.splat(0x7fff))), 16);
}
