/** Interleaved R, G, B to planar B, G, R: as it is, or halved on both axes. The twins are in `../resize-bilinear.ts`. */
import { averageOfFour } from './average';
import { join, NO } from './swizzle';

/**
 * Rearranges an image.
 *
 * @param source first pixel, interleaved R, G, B
 * @param stride bytes from one source row to the next
 * @param target planar B, G, R
 */
export function toPlanar(source: usize, stride: usize, target: usize, width: usize, height: usize): void {
  const plane = width * height;
  for (let y: usize = 0; y < height; y++, source += stride, target += width) {
    if (width < 16) {
      for (let x: usize = 0; x < width; x++) {
        store<u8>(target + x, load<u8>(source + x * 3, 2));
        store<u8>(target + x + plane, load<u8>(source + x * 3, 1));
        store<u8>(target + x + 2 * plane, load<u8>(source + x * 3));
      }
      continue;
    }
    const last = width - 16;
    // The last sixteen may overlap the sixteen before them.
    for (let x: usize = 0; ; x = min(x + 16, last)) {
      const from = source + x * 3;
      const a = v128.load(from);
      const b = v128.load(from, 16);
      const c = v128.load(from, 32);
      v128.store(target + x, blue(a, b, c));
      v128.store(target + x + plane, green(a, b, c));
      v128.store(target + x + 2 * plane, red(a, b, c));
      if (x === last) break;
    }
  }
}

/**
 * Averages four pixels to one, as OpenCV does when both sides are halved exactly.
 *
 * @param source first pixel, interleaved R, G, B, `[2 height, 2 width]`
 * @param stride bytes from one source row to the next
 * @param target planar B, G, R, `[height, width]`
 */
export function halve(source: usize, stride: usize, target: usize, width: usize, height: usize): void {
  const plane = width * height;
  for (let y: usize = 0; y < height; y++, source += 2 * stride, target += width) {
    if (width < 8) {
      for (let x: usize = 0; x < width; x++) {
        for (let channel: usize = 0; channel < 3; channel++) {
          const at = source + x * 6 + 2 - channel;
          const above = <u32>load<u8>(at) + load<u8>(at, 3);
          const below = <u32>load<u8>(at + stride) + load<u8>(at + stride, 3);
          store<u8>(target + x + channel * plane, (above + below + 2) >> 2);
        }
      }
      continue;
    }
    const last = width - 8;
    for (let x: usize = 0; ; x = min(x + 8, last)) {
      const from = source + x * 6;
      const a = v128.load(from);
      const b = v128.load(from, 16);
      const c = v128.load(from, 32);
      const d = v128.load(from + stride);
      const e = v128.load(from + stride, 16);
      const f = v128.load(from + stride, 32);
      v128.store64_lane(target + x, averageOfFour(blue(a, b, c), blue(d, e, f)), 0);
      v128.store64_lane(target + x + plane, averageOfFour(green(a, b, c), green(d, e, f)), 0);
      v128.store64_lane(target + x + 2 * plane, averageOfFour(red(a, b, c), red(d, e, f)), 0);
      if (x === last) break;
    }
  }
}

// One channel of the sixteen pixels that lie in a, b and c.

function red(a: v128, b: v128, c: v128): v128 {
  return join(
    i8x16.swizzle(a, i8x16(0, 3, 6, 9, 12, 15, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO)),
    i8x16.swizzle(b, i8x16(NO, NO, NO, NO, NO, NO, 2, 5, 8, 11, 14, NO, NO, NO, NO, NO)),
    i8x16.swizzle(c, i8x16(NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, 1, 4, 7, 10, 13)),
  );
}

function green(a: v128, b: v128, c: v128): v128 {
  return join(
    i8x16.swizzle(a, i8x16(1, 4, 7, 10, 13, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO)),
    i8x16.swizzle(b, i8x16(NO, NO, NO, NO, NO, 0, 3, 6, 9, 12, 15, NO, NO, NO, NO, NO)),
    i8x16.swizzle(c, i8x16(NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, 2, 5, 8, 11, 14)),
  );
}

function blue(a: v128, b: v128, c: v128): v128 {
  return join(
    i8x16.swizzle(a, i8x16(2, 5, 8, 11, 14, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO)),
    i8x16.swizzle(b, i8x16(NO, NO, NO, NO, NO, 1, 4, 7, 10, 13, NO, NO, NO, NO, NO, NO)),
    i8x16.swizzle(c, i8x16(NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, 0, 3, 6, 9, 12, 15)),
  );
}
