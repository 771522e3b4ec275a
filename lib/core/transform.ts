/**
 * What is done to each sample, in this order: crop or resized crop, color jitter, lighting, mirror, all on uint8 pixels; then mean
 * (image: at the SOURCE position), scale and std in float32. Shared by the server and the client, which does the second part
 * where the wire carries uint8.
 */
import { copyCrop, type CropWindow } from './crop.js';
import { drawBelow, drawCoin, DrawLane } from './draws.js';
import { numElements, type ChannelOrder, type Dtype, type Layout, type SampleShape } from './tensor.js';

/** `ten`: the four corners and the centre, then the same mirrored. */
export type CropMode = 'random' | 'center' | 'random-resized' | 'ten';
export type MeanMode = 'image' | 'channel' | 'values' | 'none';

/** Both ends included. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

/** How far each step may go; 0 leaves it out. */
export interface ColorJitter {
  /** Factor of `[1 - x, 1 + x]`, at most 2; so for contrast and saturation. */
  readonly brightness: number;
  readonly contrast: number;
  readonly saturation: number;
  /** Rotation of `[-x, x]` turns, at most 0.5. */
  readonly hue: number;
}

/** Parameters of Beta(alpha, alpha); 0: none of that kind. */
export interface Mixing {
  readonly mixupAlpha: number;
  readonly cutmixAlpha: number;
}

export interface Transform {
  /** Side of the square crop in pixels; undefined: the whole sample. With `random-resized`, of the picture that comes out. */
  readonly cropSize: number | undefined;
  readonly cropMode: CropMode;
  /** `random-resized`: share of the image's area that is taken. */
  readonly area: Range;
  /** `random-resized`: width : height of what is taken. */
  readonly aspectRatio: Range;
  /** Mirror left to right, each sample with probability 1/2. */
  readonly mirror: boolean;
  readonly colorJitter: ColorJitter;
  /** Standard deviation of the draws along the principal components of ImageNet's colors; 0: none. */
  readonly lighting: number;
  readonly mean: MeanMode;
  /** For `values`: grey levels per channel in B, G, R order; one for all channels, or one each. */
  readonly meanValues: readonly number[];
  /** Factor after the subtraction. */
  readonly scale: number;
  /** Divisors after the subtraction, as `meanValues`; empty: none. */
  readonly std: readonly number[];
  /** Always done by the client. */
  readonly mixing: Mixing;
  /** On the wire. `uint8`: pixels, and the client subtracts. */
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

/** Shape of the picture that the window lies in: the stored sample, or what `random-resized` has made of it. */
export function sourceShape(stored: SampleShape, transform: Pick<Transform, 'cropSize' | 'cropMode'>): SampleShape {
  return transform.cropMode === 'random-resized' ? croppedShape(stored, transform) : stored;
}

/** Pictures that are made of each sample. */
export function numViewsOf({ cropMode }: Pick<Transform, 'cropMode'>): number {
  return cropMode === 'ten' ? 10 : 1;
}

/**
 * The window of one picture in its {@link sourceShape}: drawn for (seed, epoch, sample id), so the same whoever asks and whenever.
 * `view` counts the pictures of a sample.
 */
export function windowOf(
  transform: Transform,
  stored: SampleShape,
  seed: number,
  epoch: number,
  sampleId: number,
  view = 0,
): CropWindow {
  const { height, width } = croppedShape(stored, transform);
  const source = sourceShape(stored, transform);
  const roomY = source.height - height;
  const roomX = source.width - width;
  const isMirrored = transform.mirror && drawCoin(seed, epoch, sampleId, DrawLane.mirror);
  switch (transform.cropMode) {
    case 'random': {
      const y = drawBelow(roomY + 1, seed, epoch, sampleId, DrawLane.cropY);
      const x = drawBelow(roomX + 1, seed, epoch, sampleId, DrawLane.cropX);
      return { y, x, height, width, isMirrored };
    }
    case 'center':
    case 'random-resized':
      return { y: roomY >> 1, x: roomX >> 1, height, width, isMirrored };
    case 'ten': {
      const place = view % 5;
      const y = place === 4 ? roomY >> 1 : place >= 2 ? roomY : 0;
      const x = place === 4 ? roomX >> 1 : place % 2 === 1 ? roomX : 0;
      return { y, x, height, width, isMirrored: view >= 5 };
    }
  }
}

/** Subtracts the mean from pixels that have been cropped, mirrored and laid out; multiplies by scale / std. */
export interface MeanSubtractor {
  /** Reads one sample's elements of `pixels` from `offset` on, and writes as many of `target` from `offset` on, in float32. */
  subtract(target: Float32Array, pixels: Uint8Array, offset: number, window: CropWindow): void;
}

export function createMeanSubtractor(transform: Transform, stored: SampleShape, mean: Mean): MeanSubtractor {
  const { layout, channelOrder } = transform;
  const { height, width, channels } = croppedShape(stored, transform);
  const from = sourceShape(stored, transform);
  const source = meanSource(transform, from, mean);
  // The whole mean as pixels are laid out, plain and mirrored: of any window of it, each row is in one piece.
  const layOut = (isMirrored: boolean): Float32Array => {
    const laidOut = new Float32Array(source.length);
    copyCrop(laidOut, 0, source, from, { ...from, y: 0, x: 0, isMirrored }, layout, channelOrder);
    return laidOut;
  };
  const plain = layOut(false);
  let mirrored: Float32Array | undefined;
  const numPlanes = layout === 'NHWC' ? 1 : channels;
  const elementsPerPixel = layout === 'NHWC' ? channels : 1;
  const rowLength = width * elementsPerPixel;
  const factors = factorRows(channelFactors(transform, channels), width, layout, channelOrder);

  return {
    subtract(target, pixels, offset, { y, x, isMirrored }) {
      const means = isMirrored ? (mirrored ??= layOut(true)) : plain;
      const left = isMirrored ? from.width - width - x : x;
      let at = offset;
      for (let plane = 0; plane < numPlanes; plane++) {
        for (let row = 0; row < height; row++, at += rowLength) {
          const meanAt = ((plane * from.height + y + row) * from.width + left) * elementsPerPixel;
          if (factors === undefined) {
            for (let i = 0; i < rowLength; i++) target[at + i] = pixels[at + i] - means[meanAt + i];
          } else {
            const factorAt = plane * rowLength;
            for (let i = 0; i < rowLength; i++) {
              // Rounded to float32 between the two, as Caffe's float arithmetic does.
              target[at + i] = Math.fround(pixels[at + i] - means[meanAt + i]) * factors[factorAt + i];
            }
          }
        }
      }
    },
  };
}

/** The factor after the subtraction per channel, B, G, R: scale / std, rounded to float32 once. */
export function channelFactors({ scale, std }: Pick<Transform, 'scale' | 'std'>, channels: number): Float32Array {
  // As a float32 on the wire, so that both sides begin with the same.
  return Float32Array.from({ length: channels }, (_, c) => Math.fround(scale) / Math.fround(perChannel(std, c) ?? 1));
}

/** A mean image planar `[C, H, W]` of `shape`, whatever the mode. */
export function meanSource({ mean: mode, meanValues }: Transform, shape: SampleShape, mean: Mean): Float32Array {
  if (mode === 'image') return mean.image;
  const source = new Float32Array(numElements(shape));
  const plane = shape.height * shape.width;
  for (let c = 0; c < shape.channels && mode !== 'none'; c++) {
    const value = mode === 'channel' ? mean.channels[c] : perChannel(meanValues, c);
    source.fill(value ?? 0, c * plane, (c + 1) * plane);
  }
  return source;
}

/** One value for all channels, or one each. */
function perChannel(values: readonly number[], channel: number): number | undefined {
  return values.length === 1 ? values[0] : values[channel];
}

/** A factor for each element of a row, of each plane in turn where there are several; undefined when all are 1. */
function factorRows(
  factors: Float32Array,
  width: number,
  layout: Layout,
  channelOrder: ChannelOrder,
): Float32Array | undefined {
  if (factors.every((factor) => factor === 1)) return undefined;
  const inOrder = channelOrder === 'BGR' ? factors : factors.toReversed();
  return Float32Array.from({ length: width * factors.length }, (_, i) =>
    layout === 'NHWC' ? inOrder[i % factors.length] : inOrder[Math.floor(i / width)],
  );
}
