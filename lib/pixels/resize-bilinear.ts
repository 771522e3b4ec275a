/**
 * OpenCV's `cv::resize(..., INTER_LINEAR)` for 8-bit images, to the last bit: two taps an axis whatever the shrink, aspect
 * ratio not kept, weights of 11 bits (opencv imgproc/src/resize.cpp, 4.x). Input as decoded, output as Caffe stores it, in one go.
 */
import type { DecodedImage } from './decode.js';

const WEIGHT_ONE = 2048;

/**
 * Resizes an image to `width` × `height` pixels. Returns a new planar array `[3, height, width]` in B, G, R order.
 * An image of that size already is only rearranged.
 */
export function resizeBilinear(image: DecodedImage, width: number, height: number): Uint8Array {
  if (image.width === width && image.height === height) return toPlanarBgr(image);
  if (image.width === 2 * width && image.height === 2 * height) return halve(image, width, height);

  const across = tapsOf(image.width, width, true);
  const down = tapsOf(image.height, height, false);
  const target = new Uint8Array(3 * width * height);
  // The two source rows that the output row lies between, resized across, `[3, width]` each.
  let upper: SourceRow = { index: -1, values: new Int32Array(3 * width) };
  let lower: SourceRow = { index: -1, values: new Int32Array(3 * width) };

  for (let y = 0; y < height; y++) {
    if (upper.index !== down.first[y] && lower.index === down.first[y]) [upper, lower] = [lower, upper];
    resizeRow(image, down.first[y], across, upper);
    resizeRow(image, down.second[y], across, lower);
    blendRows(upper.values, lower.values, down.firstWeight[y], down.secondWeight[y], target, y, width, height);
  }
  return target;
}

/** Rearranges interleaved R, G, B into a new planar array `[3, height, width]` in B, G, R order. */
export function toPlanarBgr({ width, height, data }: DecodedImage): Uint8Array {
  const plane = width * height;
  const target = new Uint8Array(3 * plane);
  for (let pixel = 0, from = 0; pixel < plane; pixel++, from += 3) {
    target[pixel] = data[from + 2];
    target[pixel + plane] = data[from + 1];
    target[pixel + 2 * plane] = data[from];
  }
  return target;
}

/** For each output position: its two source positions and their weights, which sum to about 2048. */
interface Taps {
  readonly first: Int32Array;
  readonly second: Int32Array;
  readonly firstWeight: Int32Array;
  readonly secondWeight: Int32Array;
}

/**
 * Along x a tap outside the image moves the whole weight to the border pixel; along y only the row index is clamped and the
 * weights stay. The two differ by rounding, hence `isAcross`.
 */
function tapsOf(sourceSize: number, targetSize: number, isAcross: boolean): Taps {
  const taps = {
    first: new Int32Array(targetSize),
    second: new Int32Array(targetSize),
    firstWeight: new Int32Array(targetSize),
    secondWeight: new Int32Array(targetSize),
  };
  const scale = 1 / (targetSize / sourceSize);
  const last = sourceSize - 1;
  for (let i = 0; i < targetSize; i++) {
    const position = Math.fround((i + 0.5) * scale - 0.5);
    let index = Math.floor(position);
    let fraction = Math.fround(position - index);
    if (isAcross && (index < 0 || index >= last)) {
      index = index < 0 ? 0 : last;
      fraction = 0;
    }
    taps.first[i] = Math.min(Math.max(index, 0), last);
    taps.second[i] = Math.min(Math.max(index + 1, 0), last);
    taps.firstWeight[i] = roundHalfEven(Math.fround(Math.fround(1 - fraction) * WEIGHT_ONE));
    taps.secondWeight[i] = roundHalfEven(Math.fround(fraction * WEIGHT_ONE));
  }
  return taps;
}

interface SourceRow {
  /** Which row of the source `values` was made from. */
  index: number;
  /** `[3, width]` in B, G, R order, weighted sums shifted right by 4 as the blend needs them. */
  readonly values: Int32Array;
}

function resizeRow({ width: sourceWidth, data }: DecodedImage, index: number, taps: Taps, row: SourceRow): void {
  if (row.index === index) return;
  row.index = index;
  const { first, second, firstWeight, secondWeight } = taps;
  const { values } = row;
  const begin = index * sourceWidth * 3;
  const width = first.length;
  for (let x = 0; x < width; x++) {
    const a = begin + first[x] * 3;
    const b = begin + second[x] * 3;
    const wa = firstWeight[x];
    const wb = secondWeight[x];
    values[x] = (data[a + 2] * wa + data[b + 2] * wb) >> 4;
    values[x + width] = (data[a + 1] * wa + data[b + 1] * wb) >> 4;
    values[x + 2 * width] = (data[a] * wa + data[b] * wb) >> 4;
  }
}

function blendRows(
  upper: Int32Array,
  lower: Int32Array,
  upperWeight: number,
  lowerWeight: number,
  target: Uint8Array,
  y: number,
  width: number,
  height: number,
): void {
  for (let channel = 0; channel < 3; channel++) {
    let to = (channel * height + y) * width;
    for (let i = channel * width, end = i + width; i < end; i++) {
      target[to++] = (((upper[i] * upperWeight) >> 16) + ((lower[i] * lowerWeight) >> 16) + 2) >> 2;
    }
  }
}

/** Exactly half the size on both axes: OpenCV averages four pixels instead. */
function halve({ width: sourceWidth, data }: DecodedImage, width: number, height: number): Uint8Array {
  const plane = width * height;
  const target = new Uint8Array(3 * plane);
  const below = sourceWidth * 3;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (2 * y * sourceWidth + 2 * x) * 3;
      const to = y * width + x;
      for (let channel = 0; channel < 3; channel++) {
        const at = from + 2 - channel;
        target[to + channel * plane] = (data[at] + data[at + 3] + data[at + below] + data[at + below + 3] + 2) >> 2;
      }
    }
  }
  return target;
}

/** C's `lrint`: to the nearest integer, a half to the even one. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
