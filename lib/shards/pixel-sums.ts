/**
 * The mean image from exact integer sums: they can be merged over shards in any order and by any number of workers, and come
 * to the same mean. float64 holds integers exactly up to 2^53, which is 3.5e13 images.
 */
import { MillraceError } from '../core/errors.js';
import { numElements, type SampleShape } from '../core/tensor.js';
import type { MeanImage } from './blob-proto.js';

export interface PixelSums {
  readonly shape: SampleShape;
  numImages: number;
  /** Sum of each pixel over the images, planar `[channels, height, width]`, B, G, R. */
  readonly sums: Float64Array;
  /** Sum of the squared pixels of each channel, `[channels]`. */
  readonly squares: Float64Array;
}

export interface ChannelStatistics {
  /** Grey levels, B, G, R. */
  readonly mean: number[];
  readonly std: number[];
}

export function createPixelSums(shape: SampleShape): PixelSums {
  return {
    shape,
    numImages: 0,
    sums: new Float64Array(numElements(shape)),
    squares: new Float64Array(shape.channels),
  };
}

/**
 * The shape of sums over images that differ in shape: each of their pixels counts as an image, so that there is a mean and a
 * deviation of each channel, and no mean image.
 */
export const PIXEL_SHAPE: SampleShape = { height: 1, width: 1, channels: 3 };

/** Adds all pixels of an image of any shape, planar in B, G, R order, to sums of {@link PIXEL_SHAPE}. */
export function addPixels(target: PixelSums, pixels: Uint8Array): void {
  const { sums, squares } = target;
  const plane = pixels.length / PIXEL_SHAPE.channels;
  for (let channel = 0; channel < PIXEL_SHAPE.channels; channel++) {
    let sum = 0;
    let square = 0;
    for (let i = channel * plane, end = i + plane; i < end; i++) {
      sum += pixels[i];
      square += pixels[i] * pixels[i];
    }
    sums[channel] += sum;
    squares[channel] += square;
  }
  target.numImages += plane;
}

/** Adds one image, planar in B, G, R order. */
export function addImage(target: PixelSums, pixels: Uint8Array): void {
  const { sums, squares, shape } = target;
  const plane = shape.height * shape.width;
  for (let channel = 0; channel < shape.channels; channel++) {
    let square = 0;
    for (let i = channel * plane, end = i + plane; i < end; i++) {
      const value = pixels[i];
      sums[i] += value;
      square += value * value;
    }
    squares[channel] += square;
  }
  target.numImages++;
}

/** Adds `other` into `target`. Throws ERR_INTERNAL when their shapes differ. */
export function mergePixelSums(target: PixelSums, other: PixelSums): void {
  if (target.sums.length !== other.sums.length || target.squares.length !== other.squares.length) {
    throw new MillraceError('ERR_INTERNAL', 'cannot merge pixel sums of different shapes');
  }
  for (let i = 0; i < target.sums.length; i++) target.sums[i] += other.sums[i];
  for (let i = 0; i < target.squares.length; i++) target.squares[i] += other.squares[i];
  target.numImages += other.numImages;
}

/** The mean of each pixel, rounded to float32 once. Zeros when there are no images. */
export function meanImageOf({ shape, numImages, sums }: PixelSums): MeanImage {
  return { shape, data: Float32Array.from(sums, (sum) => (numImages === 0 ? 0 : sum / numImages)) };
}

/** Mean and (population) standard deviation of each channel over all pixels of all images. */
export function channelStatisticsOf({ shape, numImages, sums, squares }: PixelSums): ChannelStatistics {
  const plane = shape.height * shape.width;
  const count = Math.max(1, numImages * plane);
  const mean = Array.from(squares, (_, channel) => {
    let sum = 0;
    for (let i = channel * plane; i < (channel + 1) * plane; i++) sum += sums[i];
    return sum / count;
  });
  const std = mean.map((value, channel) => Math.sqrt(Math.max(0, squares[channel] / count - value * value)));
  return { mean, std };
}

/** As bytes, to lie beside a shard: numImages, squares, sums, each float64 little endian. */
export function encodePixelSums({ numImages, sums, squares }: PixelSums): Buffer {
  const all = new Float64Array(1 + squares.length + sums.length);
  all[0] = numImages;
  all.set(squares, 1);
  all.set(sums, 1 + squares.length);
  return Buffer.from(all.buffer);
}

/** Throws ERR_SHARD_CORRUPT naming `path` when the length is not that of the shape. */
export function decodePixelSums(bytes: Uint8Array, shape: SampleShape, path: string): PixelSums {
  const expected = (1 + shape.channels + numElements(shape)) * 8;
  if (bytes.length !== expected) {
    throw new MillraceError(
      'ERR_SHARD_CORRUPT',
      `${path}: expected ${expected} bytes of pixel sums, found ${bytes.length}`,
      {
        context: { path },
      },
    );
  }
  // A copy: float64 views must be aligned.
  const all = new Float64Array(new Uint8Array(bytes).buffer);
  return {
    shape,
    numImages: all[0],
    squares: all.slice(1, 1 + shape.channels),
    sums: all.slice(1 + shape.channels),
  };
}
