/**
 * What kernels that move bytes share. V8 makes one instruction of a `swizzle` by constants, and a dozen of a general `shuffle` of two
 * vectors: so bytes of two or three vectors are brought to their places by a swizzle each, and joined by `or`.
 */

/** An index that gives 0. Of those past 15, only with the highest bit set does V8 know that it need not be looked at again. */
export const NO: i8 = -128;

/** Vectors that have their bytes in different places, together. */
export function join(a: v128, b: v128, c: v128): v128 {
  return v128.or(v128.or(a, b), c);
}
