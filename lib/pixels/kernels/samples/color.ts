/**
 * Color jitter and lighting of a window of a planar image of three channels, in place; the plain forms that are the test oracle are in
 * `test/fixtures/plain-augment.ts`.
 *
 * Sixteen pixels at a time. A row's last vector may reach past the window: what lies there is written back as it was. So up to 15 bytes
 * past the image must be there, and no other thread's.
 */

/** ITU-R 601's luma in 16 bits, of pairs R, G and B, G; that of green, 38470, is too large for i16 and so is in both. */
const GREY_RG: v128 = i32x4.splat((19235 << 16) | 19595);
const GREY_BG: v128 = i32x4.splat((19235 << 16) | 7471);
const GREY_SHIFT: i32 = 16;
const HUE_SHIFT: i32 = 14;

/**
 * Moves each value to `towards` + factor · (value − `towards`).
 *
 * @param at first pixel of the window in the first plane
 * @param stride bytes from one row to the next
 * @param plane bytes from one plane to the next
 * @param factor in units of 1/65536, below 2^22
 */
export function blendTowards(
  at: usize,
  stride: usize,
  plane: usize,
  width: usize,
  height: usize,
  towards: i32,
  factor: i32,
): void {
  const base = i16x8.splat(<i16>towards);
  const factors = i32x4.splat(factor);
  for (let channel: usize = 0; channel < 3; channel++, at += plane) {
    for (let row = at, end = at + height * stride; row < end; row += stride) {
      for (let x: usize = 0; x < width; x += 16) {
        put(row + x, blend(v128.load(row + x), base, base, factors), inside(width - x));
      }
    }
  }
}

/** The mean of the window's grey, rounded. */
export function meanGrey(at: usize, stride: usize, plane: usize, width: usize, height: usize): i32 {
  let sum: u64 = 0;
  for (let y: usize = 0; y < height; y++, at += stride) {
    let sums = i32x4.splat(0);
    for (let x: usize = 0; x < width; x += 16) {
      const greys = v128.and(greyAt(at + x, plane), inside(width - x));
      sums = i32x4.add(sums, i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(greys)));
    }
    sum += i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1);
    sum += i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3);
  }
  return <i32>Math.floor(<f64>sum / <f64>(height * width) + 0.5);
}

/** {@link blendTowards} each pixel's own grey. */
export function saturate(at: usize, stride: usize, plane: usize, width: usize, height: usize, factor: i32): void {
  const factors = i32x4.splat(factor);
  for (const end = at + height * stride; at < end; at += stride) {
    for (let x: usize = 0; x < width; x += 16) {
      const pixels = at + x;
      const greys = greyAt(pixels, plane);
      const low = i16x8.extend_low_i8x16_u(greys);
      const high = i16x8.extend_high_i8x16_u(greys);
      const mask = inside(width - x);
      put(pixels, blend(v128.load(pixels), low, high, factors), mask);
      put(pixels + plane, blend(v128.load(pixels + plane), low, high, factors), mask);
      put(pixels + 2 * plane, blend(v128.load(pixels + 2 * plane), low, high, factors), mask);
    }
  }
}

/** Multiplies R, G, B by a matrix of rows rr, rg, rb, …, in units of 1/16384, each of 16 bits. */
export function rotateHue(
  at: usize,
  stride: usize,
  plane: usize,
  width: usize,
  height: usize,
  rr: i32,
  rg: i32,
  rb: i32,
  gr: i32,
  gg: i32,
  gb: i32,
  br: i32,
  bg: i32,
  bb: i32,
): void {
  const redByRG = pairs(rr, rg);
  const redByBG = pairs(rb, 0);
  const greenByRG = pairs(gr, gg);
  const greenByBG = pairs(gb, 0);
  const blueByRG = pairs(br, bg);
  const blueByBG = pairs(bb, 0);
  for (const end = at + height * stride; at < end; at += stride) {
    for (let x: usize = 0; x < width; x += 16) {
      const pixels = at + x;
      const b = v128.load(pixels);
      const g = v128.load(pixels + plane);
      const r = v128.load(pixels + 2 * plane);
      const mask = inside(width - x);
      put(pixels + 2 * plane, weigh(b, g, r, redByRG, redByBG, HUE_SHIFT), mask);
      put(pixels + plane, weigh(b, g, r, greenByRG, greenByBG, HUE_SHIFT), mask);
      put(pixels, weigh(b, g, r, blueByRG, blueByBG, HUE_SHIFT), mask);
    }
  }
}

/** Adds a level of grey to each channel; one past 255 either way counts as 255. */
export function addLevels(
  at: usize,
  stride: usize,
  plane: usize,
  width: usize,
  height: usize,
  b: i32,
  g: i32,
  r: i32,
): void {
  addLevel(at, stride, width, height, b);
  addLevel(at + plane, stride, width, height, g);
  addLevel(at + 2 * plane, stride, width, height, r);
}

function addLevel(at: usize, stride: usize, width: usize, height: usize, level: i32): void {
  const more = i8x16.splat(<i8>min(max(level, 0), 255));
  const less = i8x16.splat(<i8>min(max(-level, 0), 255));
  for (const end = at + height * stride; at < end; at += stride) {
    for (let x: usize = 0; x < width; x += 16) {
      put(at + x, i8x16.sub_sat_u(i8x16.add_sat_u(v128.load(at + x), more), less), inside(width - x));
    }
  }
}

/** All bits of the vector's bytes that lie in a window that goes on for `rest` pixels. */
function inside(rest: usize): v128 {
  const places = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return i8x16.lt_u(places, i8x16.splat(<i8>min(rest, 16)));
}

function put(at: usize, values: v128, mask: v128): void {
  v128.store(at, v128.bitselect(values, v128.load(at), mask));
}

/** @param lowBase what the lower eight move towards, i16 */
function blend(values: v128, lowBase: v128, highBase: v128, factors: v128): v128 {
  return i8x16.narrow_i16x8_u(
    blendEight(i16x8.extend_low_i8x16_u(values), lowBase, factors),
    blendEight(i16x8.extend_high_i8x16_u(values), highBase, factors),
  );
}

function blendEight(values: v128, base: v128, factors: v128): v128 {
  const differences = i16x8.sub(values, base);
  const half = i32x4.splat(0x8000);
  const low = i32x4.add(i32x4.mul(i32x4.extend_low_i16x8_s(differences), factors), half);
  const high = i32x4.add(i32x4.mul(i32x4.extend_high_i16x8_s(differences), factors), half);
  return i16x8.add(base, i16x8.narrow_i32x4_s(i32x4.shr_s(low, 16), i32x4.shr_s(high, 16)));
}

function greyAt(at: usize, plane: usize): v128 {
  return weigh(v128.load(at), v128.load(at + plane), v128.load(at + 2 * plane), GREY_RG, GREY_BG, GREY_SHIFT);
}

/** One channel out of three: sums of products with pairs of weights, rounded, shifted and clamped. */
function weigh(b: v128, g: v128, r: v128, byRG: v128, byBG: v128, shift: i32): v128 {
  return i8x16.narrow_i16x8_u(
    weighEight(interleaveLow(r, g), interleaveLow(b, g), byRG, byBG, shift),
    weighEight(interleaveHigh(r, g), interleaveHigh(b, g), byRG, byBG, shift),
  );
}

function weighEight(rg: v128, bg: v128, byRG: v128, byBG: v128, shift: i32): v128 {
  const half = i32x4.splat(1 << (shift - 1));
  const low = i32x4.add(
    i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(rg), byRG),
    i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(bg), byBG),
  );
  const high = i32x4.add(
    i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(rg), byRG),
    i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(bg), byBG),
  );
  return i16x8.narrow_i32x4_s(i32x4.shr_s(i32x4.add(low, half), shift), i32x4.shr_s(i32x4.add(high, half), shift));
}

function interleaveLow(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

function interleaveHigh(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

function pairs(first: i32, second: i32): v128 {
  return i32x4.splat((second << 16) | (first & 0xffff));
}
