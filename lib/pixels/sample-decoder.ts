/** From a stored record to the pixels of its sample: one entry for whoever reads records. */
import type { SampleShape } from '../core/tensor.js';
import type { Fit } from './fit.js';
import type { DecodePolicy, PlanarImage } from './image.js';
import { createPixelPipeline, type ColourMode, type ResizeOptions } from './pixel-pipeline.js';
import type { Turbojpeg } from './turbojpeg-library.js';

/** How a split's samples are made of image files: the part of a manifest's options that says so. */
export interface SampleOptions extends Pick<DecodePolicy, 'exif'> {
  readonly resize: ResizeOptions['resize'];
  readonly fit: Fit;
  /** Side of the square that is fitted, in pixels. Absent: as with `none`. */
  readonly size?: number | undefined;
  readonly decodeScale?: boolean | undefined;
}

/** A record's content; a `Datum` is one. */
export interface StoredSample {
  /** Of raw pixels; not looked at when `isEncoded`. */
  readonly shape: SampleShape;
  /** Planar `[channels, height, width]`, B, G, R; or, when `isEncoded`, an image file. */
  readonly data: Uint8Array;
  readonly isEncoded: boolean;
}

/** A sample as it is served: planar `[channels, height, width]`, B, G, R. */
export interface SamplePixels {
  readonly shape: SampleShape;
  readonly data: Uint8Array;
}

/**
 * Raw pixels come back as they are, the same memory. An image file is decoded and resized as the split's options say: what is an
 * original becomes the pixels that a raw record would hold, to the last bit, and what was resized before it was encoded has its
 * size already. At once when libturbojpeg can, else later; `stored` need not outlive the call.
 * Throws ERR_IMAGE_UNREADABLE with the reason.
 */
export type SampleDecoder = (stored: StoredSample) => SamplePixels | Promise<SamplePixels>;

/**
 * Throws ERR_NOT_FOUND when the kernels have not been built.
 *
 * @param allocate gives the array, of that many bytes, that a decoded sample is returned in. Default: a new one each time
 */
export function createSampleDecoder(
  options: SampleOptions,
  turbojpeg: Turbojpeg | undefined,
  colour: ColourMode = 'colour',
  allocate?: (numBytes: number) => Uint8Array,
): SampleDecoder {
  const resize = resizeOptionsOf(options);
  const pipeline = createPixelPipeline({ resize, exif: options.exif, colour, turbojpeg, allocate });
  const sampleOf = ({ width, height, channels, data }: PlanarImage): SamplePixels => ({
    shape: { width, height, channels },
    data,
  });
  return (stored) => {
    if (!stored.isEncoded) return { shape: stored.shape, data: stored.data };
    const made = pipeline.convert(stored.data);
    return made instanceof Promise ? made.then(sampleOf) : sampleOf(made);
  };
}

/** What a pixel pipeline is told for a split of these options. */
export function resizeOptionsOf({ resize, fit, size, decodeScale }: SampleOptions): ResizeOptions {
  if (resize === 'none' || size === undefined) return { resize: 'none' };
  return { resize, fit, size: { width: size, height: size }, decodeScale };
}
