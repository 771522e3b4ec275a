/**
 * OpenCV's `cv::resize(..., INTER_LINEAR)` for 8-bit images, to the last bit: two taps an axis whatever the shrink, aspect
 * ratio not kept, weights of 11 bits (opencv imgproc/src/resize.cpp, 4.x). Input as decoded, output as Caffe stores it, in one go.
 *
 * The plain form of `kernels/bilinear.ts` and `kernels/planar.ts`, which are tested against it.
 */
import { bilinearTaps, type BilinearTaps } from './bilinear-taps.js';
import type { DecodedImage } from './image.js';

/**
 * Resizes an image to `width` × `height` pixels. Returns a new planar array `[3, height, width]` in B, G, R order.
 * An image of that size already is only rearranged.
 */
export function resizeBilinear(image: DecodedImage, width: number, height: number): Uint8Array {
  if (image.width === width && image.height === height) return toPlanarBgr(image);
  if (image.width === 2 * width && image.height === 2 * height) return halve(image, width, height);

  const across = bilinearTaps(image.width, width, 'across');
  const down = bilinearTaps(image.height, height, 'down');
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

interface SourceRow {
  /** Which row of the source `values` was made from. */
  index: number;
  /** `[3, width]` in B, G, R order, weighted sums shifted right by 4 as the blend needs them. */
  readonly values: Int32Array;
}

function resizeRow(
  { width: sourceWidth, data }: DecodedImage,
  index: number,
  taps: BilinearTaps,
  row: SourceRow,
): void {
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
