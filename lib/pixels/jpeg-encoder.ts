/**
 * Encoding records as JPEG: the file that OpenCV's `imencode(".jpg")` makes of the same pixels at the same quality, which is what
 * Caffe stores. libturbojpeg and sharp give the same bytes; libturbojpeg sooner.
 */
import type { InterleavedImage, PlanarImage } from './image.js';
import { sharp } from './sharp-library.js';
import type { Turbojpeg } from './turbojpeg-library.js';

/** OpenCV's default quality, hence Caffe's. */
export const DEFAULT_QUALITY = 95;

/** @param quality libjpeg's scale, 1..100 */
export async function encodeRecordJpeg(
  image: PlanarImage,
  quality: number,
  turbojpeg: Turbojpeg | undefined,
): Promise<Buffer> {
  const picture = interleave(image);
  return turbojpeg === undefined ? encodeBySharp(picture, quality) : turbojpeg.encode(picture, quality);
}

const SOI_BYTES = 2;
/** The JFIF marker that libjpeg writes by default, version 1.1 without a density. libvips has it leave that out. */
const JFIF = Buffer.from('ffe000104a46494600010100000100010000', 'hex');

async function encodeBySharp({ data, width, height, channels }: InterleavedImage, quality: number): Promise<Buffer> {
  const pixels = sharp()(data, { raw: { width, height, channels } });
  const image = channels === 1 ? pixels.toColourspace('b-w') : pixels;
  const file = await image.jpeg({ quality, chromaSubsampling: '4:2:0', optimiseCoding: false }).toBuffer();
  return Buffer.concat([file.subarray(0, SOI_BYTES), JFIF, file.subarray(SOI_BYTES)]);
}

/** To R, G, B. The general `toPicture` takes four times as long, which is more than the encoding. */
function interleave({ width, height, channels, data: planes }: PlanarImage): InterleavedImage {
  if (channels === 1) return { width, height, channels, data: planes };
  const plane = width * height;
  const data = new Uint8Array(3 * plane);
  for (let pixel = 0, to = 0; pixel < plane; pixel++, to += 3) {
    data[to] = planes[pixel + 2 * plane];
    data[to + 1] = planes[pixel + plane];
    data[to + 2] = planes[pixel];
  }
  return { width, height, channels, data };
}
