/** Rows of three channels to one row of pixels: a vector of each channel makes three. */
import { join, NO } from '../swizzle';

/**
 * @param a rows of the three channels, in the order that they are to have
 * @param isMirrored whether they are read from their ends to their beginnings
 */
export function interleaveRow(a: usize, b: usize, c: usize, to: usize, width: usize, isMirrored: bool): void {
  if (width < 16) {
    for (let x: usize = 0; x < width; x++) {
      const from = isMirrored ? width - 1 - x : x;
      store<u8>(to + 3 * x, load<u8>(a + from));
      store<u8>(to + 3 * x, load<u8>(b + from), 1);
      store<u8>(to + 3 * x, load<u8>(c + from), 2);
    }
    return;
  }
  // The last sixteen may overlap the sixteen before them.
  const last = width - 16;
  for (let x: usize = 0; ; x = min(x + 16, last)) {
    if (isMirrored) {
      const from = last - x;
      interleave(reverse(v128.load(a + from)), reverse(v128.load(b + from)), reverse(v128.load(c + from)), to + 3 * x);
    } else interleave(v128.load(a + x), v128.load(b + x), v128.load(c + x), to + 3 * x);
    if (x === last) return;
  }
}

/** The sixteen bytes from the last to the first. */
export function reverse(bytes: v128): v128 {
  return i8x16.swizzle(bytes, i8x16(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
}

function interleave(a: v128, b: v128, c: v128, to: usize): void {
  const first = join(
    i8x16.swizzle(a, i8x16(0, NO, NO, 1, NO, NO, 2, NO, NO, 3, NO, NO, 4, NO, NO, 5)),
    i8x16.swizzle(b, i8x16(NO, 0, NO, NO, 1, NO, NO, 2, NO, NO, 3, NO, NO, 4, NO, NO)),
    i8x16.swizzle(c, i8x16(NO, NO, 0, NO, NO, 1, NO, NO, 2, NO, NO, 3, NO, NO, 4, NO)),
  );
  const second = join(
    i8x16.swizzle(a, i8x16(NO, NO, 6, NO, NO, 7, NO, NO, 8, NO, NO, 9, NO, NO, 10, NO)),
    i8x16.swizzle(b, i8x16(5, NO, NO, 6, NO, NO, 7, NO, NO, 8, NO, NO, 9, NO, NO, 10)),
    i8x16.swizzle(c, i8x16(NO, 5, NO, NO, 6, NO, NO, 7, NO, NO, 8, NO, NO, 9, NO, NO)),
  );
  const third = join(
    i8x16.swizzle(a, i8x16(NO, 11, NO, NO, 12, NO, NO, 13, NO, NO, 14, NO, NO, 15, NO, NO)),
    i8x16.swizzle(b, i8x16(NO, NO, 11, NO, NO, 12, NO, NO, 13, NO, NO, 14, NO, NO, 15, NO)),
    i8x16.swizzle(c, i8x16(10, NO, NO, 11, NO, NO, 12, NO, NO, 13, NO, NO, 14, NO, NO, 15)),
  );
  v128.store(to, first);
  v128.store(to, second, 16);
  v128.store(to, third, 32);
}
