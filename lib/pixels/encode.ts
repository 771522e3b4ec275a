/** Encoding images: for what the project draws itself, and for records that are stored as JPEG. */
import sharp, { type Sharp } from 'sharp';

/** An image in memory. */
export interface InterleavedImage {
  /** `[height, width, channels]`, uint8; RGB when there are three channels. The caller's; read until the promise resolves. */
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
}

export interface JpegOptions extends InterleavedImage {
  /** 1..100, libjpeg's scale. */
  readonly quality: number;
}

/** A baseline JPEG with 4:2:0 chroma; greyscale when there is one channel. */
export async function encodeJpeg({ quality, ...image }: JpegOptions): Promise<Buffer> {
  return open(image).jpeg({ quality }).toBuffer();
}

/** A PNG; greyscale when there is one channel. */
export async function encodePng(image: InterleavedImage): Promise<Buffer> {
  return open(image).png().toBuffer();
}

function open({ data, width, height, channels }: InterleavedImage): Sharp {
  const pipeline = sharp(data, { raw: { width, height, channels } });
  return channels === 1 ? pipeline.toColourspace('b-w') : pipeline;
}
