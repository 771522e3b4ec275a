/**
 * What is done to each sample, in Caffe's order: crop, subtract the mean (image: at the SOURCE position), scale, mirror. Shared
 * by the server, which crops and mirrors, and the client, which subtracts where the wire carries uint8.
 */
import { copyCrop, type CropWindow } from './crop.js';
import { drawBelow, drawCoin, DrawLane } from './draws.js';
import { numElements, type ChannelOrder, type Dtype, type Layout, type SampleShape } from './tensor.js';

export type CropMode = 'random' | 'center';
export type MeanMode = 'image' | 'channel' | 'none';

export interface Transform {
  /** Side of the square crop in pixels; undefined: the whole sample. */
  readonly cropSize: number | undefined;
  readonly cropMode: CropMode;
  /** Mirror left to right, each sample with probability 1/2. */
  readonly mirror: boolean;
  readonly mean: MeanMode;
  /** Factor after the subtraction. */
  readonly scale: number;
  /** On the wire. `uint8`: pixels as stored, and the client subtracts. */
  readonly dtype: Dtype;
  readonly layout: Layout;
  readonly channelOrder: ChannelOrder;
}

/** The mean of a split: `image` planar `[C, H, W]` in B, G, R order, `channels` one value a channel in B, G, R order. */
export interface Mean {
  readonly image: Float32Array;
  readonly channels: readonly number[];
}

/** Shape of a sample after the crop. */
export function croppedShape(stored: SampleShape, { cropSize }: Pick<Transform, 'cropSize'>): SampleShape {
  return cropSize === undefined ? stored : { height: cropSize, width: cropSize, channels: stored.channels };
}

/** The window of one sample: drawn for (seed, epoch, sample id), so the same whoever asks and whenever. */
export function windowOf(
  transform: Transform,
  stored: SampleShape,
  seed: number,
  epoch: number,
  sampleId: number,
): CropWindow {
  const { height, width } = croppedShape(stored, transform);
  const roomY = stored.height - height;
  const roomX = stored.width - width;
  const isRandom = transform.cropMode === 'random';
  return {
    y: isRandom ? drawBelow(roomY + 1, seed, epoch, sampleId, DrawLane.cropY) : roomY >> 1,
    x: isRandom ? drawBelow(roomX + 1, seed, epoch, sampleId, DrawLane.cropX) : roomX >> 1,
    height,
    width,
    isMirrored: transform.mirror && drawCoin(seed, epoch, sampleId, DrawLane.mirror),
  };
}

/** Subtracts the mean from pixels that have been cropped, mirrored and laid out, and scales them. */
export interface MeanSubtractor {
  /** Reads one sample's elements of `pixels` from `offset` on, and writes as many of `target` from `offset` on, in float32. */
  subtract(target: Float32Array, pixels: Uint8Array, offset: number, window: CropWindow): void;
}

export function createMeanSubtractor(transform: Transform, stored: SampleShape, mean: Mean): MeanSubtractor {
  const { layout, channelOrder, scale } = transform;
  const shape = croppedShape(stored, transform);
  const size = numElements(shape);
  // One sample's mean, in the place and order that its pixels have.
  const placed = new Float32Array(size);
  const source = meanSource(transform.mean, stored, mean);
  let placedWindow: CropWindow | undefined;

  return {
    subtract(target, pixels, offset, window) {
      if (!isSameWindow(placedWindow, window)) {
        copyCrop(placed, 0, source, stored, window, layout, channelOrder);
        placedWindow = window;
      }
      if (scale === 1) {
        for (let i = 0; i < size; i++) target[offset + i] = pixels[offset + i] - placed[i];
      } else {
        // Rounded to float32 between the two, as Caffe's float arithmetic does.
        for (let i = 0; i < size; i++) target[offset + i] = Math.fround(pixels[offset + i] - placed[i]) * scale;
      }
    },
  };
}

/** A mean image of the stored shape, whatever the mode. */
function meanSource(mode: MeanMode, stored: SampleShape, mean: Mean): Float32Array {
  if (mode === 'image') return mean.image;
  const source = new Float32Array(numElements(stored));
  if (mode === 'channel') {
    const plane = stored.height * stored.width;
    mean.channels.forEach((value, channel) => source.fill(value, channel * plane, (channel + 1) * plane));
  }
  return source;
}

function isSameWindow(a: CropWindow | undefined, b: CropWindow): boolean {
  return a !== undefined && a.y === b.y && a.x === b.x && a.isMirrored === b.isMirrored;
}
