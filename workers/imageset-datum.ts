/** One record of convert_imageset: pixels, a file as it is, or pixels encoded anew, whichever Caffe would store. */
import { UsageError } from '../lib/core/errors.js';
import { encodePng, toPicture } from '../lib/pixels/encode.js';
import type { PlanarImage } from '../lib/pixels/image.js';
import { DEFAULT_QUALITY, encodeRecordJpeg } from '../lib/pixels/jpeg-encoder.js';
import type { PixelPipeline } from '../lib/pixels/pixel-pipeline.js';
import type { Turbojpeg } from '../lib/pixels/turbojpeg-library.js';
import { encodeFileDatum, encodeRawDatum } from '../lib/shards/datum.js';

export interface DatumOptions {
  /** Pixels; both must be positive to resize at all. */
  readonly resizeHeight: number;
  readonly resizeWidth: number;
  /** Whether image files are stored, not pixels. */
  readonly isEncoded: boolean;
  /** Ending of the type that files are encoded as; empty: each name's own. */
  readonly encodeType: string;
}

export interface MadeDatum {
  readonly datum: Buffer;
  /** Bytes of its data field. */
  readonly dataBytes: number;
}

/**
 * Makes the Datum of a file. An image file goes in as it is only when a type was named, the name ends in it, and no size was
 * asked for, not even one side alone. Without a type Caffe looks for the name's ending with its dot in place of without, so that it never
 * finds them the same: everything is encoded anew, as the type of its name.
 *
 * Its function throws ERR_IMAGE_UNREADABLE, and UsageError when the type is none that can be encoded.
 */
export function createDatumMaker(
  { resizeHeight, resizeWidth, isEncoded, encodeType }: DatumOptions,
  pipeline: PixelPipeline,
  turbojpeg: Turbojpeg | undefined,
): (name: string, label: number, file: Buffer) => Promise<MadeDatum> {
  const isNoSizeAsked = resizeHeight === 0 && resizeWidth === 0;

  return async (name, label, file) => {
    // Decoded even when its own bytes are stored: only a readable file becomes a record.
    const image = await pipeline.convert(file);
    if (!isEncoded) {
      const { height, width, channels, data } = image;
      return { datum: encodeRawDatum({ channels, height, width }, data, label), dataBytes: data.length };
    }
    const extension = extensionOf(name);
    const isOfType = extension === encodeType || (encodeType === 'jpg' && extension === 'jpeg');
    const stored =
      isNoSizeAsked && encodeType !== '' && isOfType
        ? file
        : await encode(image, encodeType === '' ? extension : encodeType, name, turbojpeg);
    return { datum: encodeFileDatum(stored, label), dataBytes: stored.length };
  };
}

async function encode(
  image: PlanarImage,
  type: string,
  name: string,
  turbojpeg: Turbojpeg | undefined,
): Promise<Buffer> {
  if (['jpg', 'jpeg', 'jpe'].includes(type)) return encodeRecordJpeg(image, DEFAULT_QUALITY, turbojpeg);
  if (type === 'png') return encodePng(toPicture(image, image.data));
  throw new UsageError(
    '--encode_type',
    `--encode_type: cannot encode ${name} as "${type}", expected jpg or png${type === '' ? ': its name does not say one' : ''}`,
  );
}

/** What follows the last dot, lower-cased; empty without a dot. */
function extensionOf(name: string): string {
  const dot = name.lastIndexOf('.');
  return dot < 0 ? '' : name.slice(dot + 1).toLowerCase();
}
