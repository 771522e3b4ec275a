/**
 * One row of one channel: mirrored if need be, and converted. Sixteen pixels at a time; the last sixteen may overlap the sixteen
 * before them, so that nothing past the row is touched.
 */

import { reverse } from './interleave-row';

export const UINT8: u32 = 0;
export const FLOAT32: u32 = 1;
export const FLOAT16: u32 = 2;
export const BFLOAT16: u32 = 3;

/** Copies rows of bytes to where they lie one after the other. Not by memory.copy: its call costs more than a row. */
export function copyRows(from: usize, stride: usize, to: usize, width: usize, height: usize, isMirrored: bool): void {
  const end = to + width * height;
  if (width < 16) {
    for (; to < end; to += width, from += stride) {
      for (let x: usize = 0; x < width; x++) store<u8>(to + x, load<u8>(from + (isMirrored ? width - 1 - x : x)));
    }
    return;
  }
  // Four vectors at a time; the last one may overlap the one before it.
  const last = width - 16;
  const fourth = last - 48;
  if (isMirrored) {
    for (; to < end; to += width, from += stride) {
      let x: isize = 0;
      let pixels = from + last;
      for (; x <= <isize>fourth; x += 64, pixels -= 64) {
        v128.store(to + x, reverse(v128.load(pixels)));
        v128.store(to + x, reverse(v128.load(pixels - 16)), 16);
        v128.store(to + x, reverse(v128.load(pixels - 32)), 32);
        v128.store(to + x, reverse(v128.load(pixels - 48)), 48);
      }
      for (; x < <isize>last; x += 16, pixels -= 16) v128.store(to + x, reverse(v128.load(pixels)));
      v128.store(to + last, reverse(v128.load(from)));
    }
    return;
  }
  for (; to < end; to += width, from += stride) {
    let x: isize = 0;
    for (; x <= <isize>fourth; x += 64) {
      v128.store(to + x, v128.load(from + x));
      v128.store(to + x, v128.load(from + x, 16), 16);
      v128.store(to + x, v128.load(from + x, 32), 32);
      v128.store(to + x, v128.load(from + x, 48), 48);
    }
    for (; x < <isize>last; x += 16) v128.store(to + x, v128.load(from + x));
    v128.store(to + last, v128.load(from + last));
  }
}

/**
 * (pixel - mean) × factor, rounded to float32 after each of the two, and then to the element type.
 *
 * @param means a row of float32, in the order that the elements are to have
 * @param factors likewise; 0: all are 1
 * @param isMirrored whether the pixels are to be read from the last to the first
 */
export function floatRow(
  pixels: usize,
  means: usize,
  factors: usize,
  to: usize,
  length: usize,
  dtype: u32,
  isMirrored: bool,
): void {
  if (length < 16) {
    for (let x: usize = 0; x < length; x++) {
      const pixel = <f32>load<u8>(pixels + (isMirrored ? length - 1 - x : x));
      const difference = pixel - load<f32>(means + x * 4);
      const value = f32x4.splat(factors === 0 ? difference : difference * load<f32>(factors + x * 4));
      if (dtype === FLOAT32) store<f32>(to + x * 4, f32x4.extract_lane(value, 0));
      else store<u16>(to + x * 2, i16x8.extract_lane_u(toHalves(value, value, dtype), 0));
    }
    return;
  }
  const last = length - 16;
  for (let x: usize = 0; ; x = min(x + 16, last)) {
    const bytes = isMirrored ? reverse(v128.load(pixels + last - x)) : v128.load(pixels + x);
    const low = i16x8.extend_low_i8x16_u(bytes);
    const high = i16x8.extend_high_i8x16_u(bytes);
    const mean = means + x * 4;
    let a = f32x4.sub(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(low)), v128.load(mean));
    let b = f32x4.sub(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(low)), v128.load(mean, 16));
    let c = f32x4.sub(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(high)), v128.load(mean, 32));
    let d = f32x4.sub(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(high)), v128.load(mean, 48));
    if (factors !== 0) {
      const factor = factors + x * 4;
      a = f32x4.mul(a, v128.load(factor));
      b = f32x4.mul(b, v128.load(factor, 16));
      c = f32x4.mul(c, v128.load(factor, 32));
      d = f32x4.mul(d, v128.load(factor, 48));
    }
    if (dtype === FLOAT32) {
      v128.store(to + x * 4, a);
      v128.store(to + x * 4, b, 16);
      v128.store(to + x * 4, c, 32);
      v128.store(to + x * 4, d, 48);
    } else {
      v128.store(to + x * 2, toHalves(a, b, dtype));
      v128.store(to + x * 2, toHalves(c, d, dtype), 16);
    }
    if (x === last) return;
  }
}

function toHalves(a: v128, b: v128, dtype: u32): v128 {
  return dtype === FLOAT16 ? toFloat16(a, b) : toBfloat16(a, b);
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
