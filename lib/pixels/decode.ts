/**
 * Decoding image files to the pixels that OpenCV 4's `imread(path, IMREAD_COLOR)` gives, which are the ones that Caffe stores:
 *
 * - grey becomes three channels, alpha is dropped, 16 bits become 8, colour profiles are ignored;
 * - the orientation in a JPEG's or PNG's EXIF is applied, as by OpenCV 3.1 and later (Caffe's of 2014 did not); other formats'
 *   is not; or no orientation is applied, if the policy says so;
 * - CMYK and YCCK JPEGs become RGB by OpenCV's own formula, not through a colour profile;
 * - a JPEG that is cut short is readable: the missing part is grey; or not, if the policy says so. Others that are cut short or
 *   damaged are not;
 * - only photographs' formats are read: no drawings, which are programs of a kind.
 */
import type { Metadata, Sharp } from 'sharp';
import { messageOf, MillraceError } from '../core/errors.js';
import { MAX_PIXELS, type DecodedImage, type DecodePolicy } from './image.js';
import { sharp } from './sharp-library.js';

export interface DecodedFile extends DecodedImage {
  /** Whether the file has one channel (alpha aside), of which the pixels here are three copies. */
  readonly isGrey: boolean;
}

/** As sharp names them; `heif` is AVIF. */
const FORMATS: ReadonlySet<string> = new Set(['jpeg', 'png', 'webp', 'gif', 'tiff', 'heif']);

/** Decodes one image file, told by its content, not its name. Throws ERR_IMAGE_UNREADABLE with the decoder's reason. */
export async function decodeImage(file: Uint8Array, { exif, truncated }: DecodePolicy = {}): Promise<DecodedFile> {
  try {
    const failOn = !isJpeg(file) ? 'error' : truncated === 'reject' ? 'truncated' : 'none';
    const image = sharp()(file, { ignoreIcc: true, failOn, limitInputPixels: MAX_PIXELS });
    const metadata = await image.metadata();
    if (!FORMATS.has(metadata.format)) throw new Error(`unsupported image format ${metadata.format}`);
    const isTurned = exif !== 'ignore' && (metadata.format === 'jpeg' || metadata.format === 'png');
    if (isTurned) image.autoOrient();
    const decoded = metadata.space === 'cmyk' ? await decodeCmyk(image) : await decodeRgb(image, metadata);
    return { ...decoded, isGrey: metadata.channels < 3 };
  } catch (error) {
    // libvips repeats itself over several lines; the first names the cause, if there is a word of it.
    const reason = messageOf(error).split('\n')[0].trim().replace(/:$/, '');
    throw new MillraceError('ERR_IMAGE_UNREADABLE', reason, { cause: error });
  }
}

async function decodeRgb(image: Sharp, metadata: Metadata): Promise<DecodedImage> {
  if (metadata.hasAlpha) image.removeAlpha();
  const { data, info } = await image.toColourspace('srgb').raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}

/** libvips turns Adobe's inverted inks the right way round; OpenCV's formula takes them as they are in the file. */
async function decodeCmyk(image: Sharp): Promise<DecodedImage> {
  const { data: inks, info } = await image
    .pipelineColourspace('cmyk')
    .toColourspace('cmyk')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const numPixels = info.width * info.height;
  const data = new Uint8Array(numPixels * 3);
  for (let pixel = 0; pixel < numPixels; pixel++) {
    const black = 255 - inks[pixel * 4 + 3];
    for (let channel = 0; channel < 3; channel++) {
      data[pixel * 3 + channel] = black - ((inks[pixel * 4 + channel] * black) >> 8);
    }
  }
  return { width: info.width, height: info.height, data };
}

function isJpeg(file: Uint8Array): boolean {
  return file[0] === 0xff && file[1] === 0xd8 && file[2] === 0xff;
}
