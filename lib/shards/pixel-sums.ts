/**
 * The mean image from exact integer sums: they can be merged over shards in any order and by any number of workers, and come
 * to the same mean. float64 holds integers exactly up to 2^53, which is 3.5e13 images.
 */
import { MillraceError } from '../core/errors.js';
import { numElements, type SampleShape } from '../core/tensor.js';
import type { MeanImage } from './blob-proto.js';

/** All arrays are planar `[channels, height, width]`, B, G, R. */
export interface PixelSums {
  readonly shape: SampleShape;
  readonly numImages: number;
  /** Sum of each pixel over the images. */
  readonly sums: Float64Array;
  /** Sum of each pixel's squares. */
  readonly squares: Float64Array;
}

export interface ChannelStatistics {
  /** Grey levels, B, G, R. */
  readonly mean: number[];
  readonly std: number[];
}

/**
 * The shape of sums over images that differ in shape: each of their pixels counts as an image, so that there is a mean and a
 * deviation of each channel, and no mean image.
 */
export const PIXEL_SHAPE: SampleShape = { height: 1, width: 1, channels: 3 };

/** The sums of all parts' images. Throws ERR_INTERNAL when a part is of another shape. */
export async function mergePixelSums(shape: SampleShape, parts: AsyncIterable<PixelSums>): Promise<PixelSums> {
  const numValues = numElements(shape);
  const sums = new Float64Array(numValues);
  const squares = new Float64Array(numValues);
  let numImages = 0;
  for await (const part of parts) {
    if (part.sums.length !== numValues || part.squares.length !== numValues) {
      throw new MillraceError('ERR_INTERNAL', 'cannot merge pixel sums of different shapes');
    }
    for (let i = 0; i < numValues; i++) {
      sums[i] += part.sums[i];
      squares[i] += part.squares[i];
    }
    numImages += part.numImages;
  }
  return { shape, numImages, sums, squares };
}

/** The mean of each pixel, rounded to float32 once. Zeros when there are no images. */
export function meanImageOf({ shape, numImages, sums }: PixelSums): MeanImage {
  const count = Math.max(1, numImages);
  const data = new Float32Array(sums.length);
  for (let i = 0; i < data.length; i++) data[i] = sums[i] / count;
  return { shape, data };
}

/** The (population) standard deviation of each pixel. Zeros when there are no images. */
export function stdImageOf({ shape, numImages, sums, squares }: PixelSums): MeanImage {
  const count = Math.max(1, numImages);
  const data = new Float32Array(sums.length);
  for (let i = 0; i < data.length; i++) data[i] = deviation(sums[i] / count, squares[i] / count);
  return { shape, data };
}

/** Mean and (population) standard deviation of each channel over all pixels of all images. */
export function channelStatisticsOf({ shape, numImages, sums, squares }: PixelSums): ChannelStatistics {
  const plane = shape.height * shape.width;
  const count = Math.max(1, numImages * plane);
  const mean: number[] = [];
  const std: number[] = [];
  for (let begin = 0; begin < sums.length; begin += plane) {
    let sum = 0;
    let square = 0;
    for (let i = begin; i < begin + plane; i++) {
      sum += sums[i];
      square += squares[i];
    }
    mean.push(sum / count);
    std.push(deviation(sum / count, square / count));
  }
  return { mean, std };
}

/** Rounding may leave a little less than nothing under the root. */
function deviation(mean: number, meanSquare: number): number {
  return Math.sqrt(Math.max(0, meanSquare - mean * mean));
}

/** As bytes, to lie beside a shard: numImages, squares, sums, each float64 little endian. */
export function encodePixelSums({ numImages, sums, squares }: PixelSums): Buffer {
  const all = new Float64Array(1 + squares.length + sums.length);
  all[0] = numImages;
  all.set(squares, 1);
  all.set(sums, 1 + squares.length);
  return Buffer.from(all.buffer);
}

/** The sums may be views of `bytes`. Throws ERR_SHARD_CORRUPT naming `path` when the length is not that of the shape. */
export function decodePixelSums(bytes: Uint8Array, shape: SampleShape, path: string): PixelSums {
  const numValues = numElements(shape);
  const expected = (1 + 2 * numValues) * 8;
  if (bytes.length !== expected) {
    throw new MillraceError(
      'ERR_SHARD_CORRUPT',
      `${path}: expected ${expected} bytes of pixel sums, found ${bytes.length}`,
      { context: { path } },
    );
  }
  // Float64 views must be aligned.
  const isAligned = bytes.byteOffset % 8 === 0;
  const { buffer, byteOffset } = isAligned ? bytes : new Uint8Array(bytes);
  const all = new Float64Array(buffer, byteOffset, 1 + 2 * numValues);
  return { shape, numImages: all[0], squares: all.subarray(1, 1 + numValues), sums: all.subarray(1 + numValues) };
}
