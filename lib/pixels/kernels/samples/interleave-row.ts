/**
 * Rows of three channels to one row of pixels, for elements of one, two and four bytes. A vector of each channel makes three.
 *
 * Bytes and halves are put in their places by `swizzle` and joined by `or`: V8 makes one
 * instruction of a swizzle by constants, and a dozen of a general shuffle of two vectors.
 */

/** An index that gives 0. Of those past 15, only with the highest bit set does V8 know that it need not be looked at again. */
const NO: i8 = -128;

/**
 * @param a rows of the three channels, in the order that they are to have
 * @param isMirrored only with elements of one byte: from the end of the rows to their beginning
 */
export function interleaveRow(
  a: usize,
  b: usize,
  c: usize,
  to: usize,
  width: usize,
  elementBytes: usize,
  isMirrored: bool,
): void {
  const perVector: usize = <usize>16 / elementBytes;
  if (width < perVector) {
    for (let x: usize = 0; x < width; x++) {
      const column = isMirrored ? width - 1 - x : x;
      for (let byte: usize = 0; byte < elementBytes; byte++) {
        const from = column * elementBytes + byte;
        const at = to + 3 * x * elementBytes + byte;
        store<u8>(at, load<u8>(a + from));
        store<u8>(at + elementBytes, load<u8>(b + from));
        store<u8>(at + 2 * elementBytes, load<u8>(c + from));
      }
    }
    return;
  }
  const last = (width - perVector) * elementBytes;
  for (let x: usize = 0; ; x = min(x + 16, last)) {
    const from = isMirrored ? last - x : x;
    const va = v128.load(a + from);
    const vb = v128.load(b + from);
    const vc = v128.load(c + from);
    if (elementBytes === 4) interleaveWords(va, vb, vc, to + 3 * x);
    else if (elementBytes === 2) interleaveHalves(va, vb, vc, to + 3 * x);
    else if (isMirrored) interleaveBytes(reverse(va), reverse(vb), reverse(vc), to + 3 * x);
    else interleaveBytes(va, vb, vc, to + 3 * x);
    if (x === last) return;
  }
}

/** The sixteen bytes from the last to the first. */
export function reverse(bytes: v128): v128 {
  return i8x16.swizzle(bytes, i8x16(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
}

function interleaveBytes(a: v128, b: v128, c: v128, to: usize): void {
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
  storeThree(to, first, second, third);
}

function interleaveHalves(a: v128, b: v128, c: v128, to: usize): void {
  const first = join(
    i8x16.swizzle(a, i8x16(0, 1, NO, NO, NO, NO, 2, 3, NO, NO, NO, NO, 4, 5, NO, NO)),
    i8x16.swizzle(b, i8x16(NO, NO, 0, 1, NO, NO, NO, NO, 2, 3, NO, NO, NO, NO, 4, 5)),
    i8x16.swizzle(c, i8x16(NO, NO, NO, NO, 0, 1, NO, NO, NO, NO, 2, 3, NO, NO, NO, NO)),
  );
  const second = join(
    i8x16.swizzle(a, i8x16(NO, NO, 6, 7, NO, NO, NO, NO, 8, 9, NO, NO, NO, NO, 10, 11)),
    i8x16.swizzle(b, i8x16(NO, NO, NO, NO, 6, 7, NO, NO, NO, NO, 8, 9, NO, NO, NO, NO)),
    i8x16.swizzle(c, i8x16(4, 5, NO, NO, NO, NO, 6, 7, NO, NO, NO, NO, 8, 9, NO, NO)),
  );
  const third = join(
    i8x16.swizzle(a, i8x16(NO, NO, NO, NO, 12, 13, NO, NO, NO, NO, 14, 15, NO, NO, NO, NO)),
    i8x16.swizzle(b, i8x16(10, 11, NO, NO, NO, NO, 12, 13, NO, NO, NO, NO, 14, 15, NO, NO)),
    i8x16.swizzle(c, i8x16(NO, NO, 10, 11, NO, NO, NO, NO, 12, 13, NO, NO, NO, NO, 14, 15)),
  );
  storeThree(to, first, second, third);
}

function interleaveWords(a: v128, b: v128, c: v128, to: usize): void {
  storeThree(
    to,
    i32x4.shuffle(i32x4.shuffle(a, b, 0, 4, 0, 1), c, 0, 1, 4, 3),
    i32x4.shuffle(i32x4.shuffle(a, b, 5, 0, 2, 6), c, 0, 5, 2, 3),
    i32x4.shuffle(i32x4.shuffle(a, b, 0, 3, 7, 0), c, 6, 1, 2, 7),
  );
}

function join(a: v128, b: v128, c: v128): v128 {
  return v128.or(v128.or(a, b), c);
}

function storeThree(to: usize, first: v128, second: v128, third: v128): void {
  v128.store(to, first);
  v128.store(to, second, 16);
  v128.store(to, third, 32);
}
