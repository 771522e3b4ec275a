/** Encoding images: for what the project draws itself, and for records that are stored as JPEG. */
import type { Sharp } from 'sharp';
import { MillraceError } from '../core/errors.js';
import { numElements, type SampleShape } from '../core/tensor.js';
import type { InterleavedImage } from './image.js';
import { sharp } from './sharp-library.js';

export interface JpegOptions extends InterleavedImage {
  /** 1..100, libjpeg's scale. */
  readonly quality: number;
}

/**
 * A picture of planar values in grey levels, `[channels, height, width]`, B, G, R when there are three: rounded, and clipped to
 * `[0, 255]`. Throws ERR_IMAGE_UNREADABLE when there are neither one nor three channels, or not as many values as the shape has.
 */
export function toPicture(shape: SampleShape, values: ArrayLike<number>): InterleavedImage {
  const { height, width, channels } = shape;
  if ((channels !== 1 && channels !== 3) || values.length !== numElements(shape)) {
    throw new MillraceError(
      'ERR_IMAGE_UNREADABLE',
      `expected the pixels of 1 or 3 channels to make a picture of, got ${values.length} values of ${channels}×${height}×${width}`,
    );
  }
  const plane = height * width;
  const data = new Uint8ClampedArray(channels * plane);
  for (let channel = 0; channel < channels; channel++) {
    const begin = channel * plane;
    const target = channels - 1 - channel;
    for (let pixel = 0; pixel < plane; pixel++) data[pixel * channels + target] = values[begin + pixel];
  }
  return { data: new Uint8Array(data.buffer), width, height, channels };
}

/** A baseline JPEG with 4:2:0 chroma; greyscale when there is one channel. */
export async function encodeJpeg({ quality, ...image }: JpegOptions): Promise<Buffer> {
  return open(image).jpeg({ quality }).toBuffer();
}

/** A PNG; greyscale when there is one channel. */
export async function encodePng(image: InterleavedImage): Promise<Buffer> {
  return open(image).png().toBuffer();
}

/** Of a contact sheet, in pixels. */
const TILE_SIDE = 160;
const GAP = 4;
const BACKGROUND = { r: 32, g: 32, b: 32 };

/** A PNG of pictures in rows of `columns`, each as large as a tile of 160 × 160 pixels allows. At least one picture. */
export async function encodeContactSheet(pictures: readonly InterleavedImage[], columns: number): Promise<Buffer> {
  const tiles = await Promise.all(
    pictures.map(async (picture, index) => {
      const isSmaller = Math.max(picture.width, picture.height) < TILE_SIDE;
      const { data, info } = await open(picture)
        .toColourspace('srgb')
        // Small pictures stay their pixels.
        .resize(TILE_SIDE, TILE_SIDE, { fit: 'inside', kernel: isSmaller ? 'nearest' : 'lanczos3' })
        .raw()
        .toBuffer({ resolveWithObject: true });
      const { width, height, channels } = info;
      return {
        input: data,
        raw: { width, height, channels },
        left: GAP + (index % columns) * (TILE_SIDE + GAP) + ((TILE_SIDE - width) >> 1),
        top: GAP + Math.floor(index / columns) * (TILE_SIDE + GAP) + ((TILE_SIDE - height) >> 1),
      };
    }),
  );
  const lengthOf = (numTiles: number): number => GAP + numTiles * (TILE_SIDE + GAP);
  const width = lengthOf(columns);
  const height = lengthOf(Math.ceil(pictures.length / columns));
  return sharp()({ create: { width, height, channels: 3, background: BACKGROUND } })
    .composite(tiles)
    .removeAlpha()
    .png()
    .toBuffer();
}

function open({ data, width, height, channels }: InterleavedImage): Sharp {
  const pipeline = sharp()(data, { raw: { width, height, channels } });
  return channels === 1 ? pipeline.toColourspace('b-w') : pipeline;
}
