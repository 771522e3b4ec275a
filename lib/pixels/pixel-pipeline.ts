/** From an image file to the pixels of a record: one entry for whoever converts images. */
import { MillraceError } from '../core/errors.js';
import { decodeImage } from './decode.js';
import { fitImage, type Fit } from './fit.js';
import { greyOf, replicateGrey } from './grey.js';
import { MAX_PIXELS, type DecodePolicy, type PlanarImage, type Size } from './image.js';
import { jpegOrientation } from './jpeg-orientation.js';
import { PixelKernels } from './kernels.js';
import { turn, turnedSize } from './turn.js';
import type { JpegHeader, JpegTarget, Turbojpeg } from './turbojpeg-library.js';

/**
 * - `caffe`: OpenCV's INTER_LINEAR to the last bit, as Caffe has it; two taps an axis, not smoothed.
 * - `area`: each pixel by the area that is covered of it; the better-looking one.
 * - `none`: as it is.
 */
export type ResizeOptions =
  | { readonly resize: 'none' }
  | {
      readonly resize: 'caffe' | 'area';
      readonly fit: Fit;
      readonly size: Size;
      /**
       * Whether libturbojpeg may decode a JPEG at a half, a quarter or an eighth of its sides where that is still no smaller than
       * what is asked for. Only with `area`: the pixels are others, nearly. Default false.
       */
      readonly decodeScale?: boolean | undefined;
    };

/**
 * Channels of what comes out. `colour`: three, as `imread(path, IMREAD_COLOR)`. `grey`: one, as IMREAD_GRAYSCALE: of JPEGs the
 * luma as it is stored, when libturbojpeg is there. `native`: one for grey files, else three.
 */
export type ColourMode = 'colour' | 'grey' | 'native';

export interface PixelPipelineOptions extends DecodePolicy {
  readonly resize: ResizeOptions;
  /** Decodes most JPEGs, in half the time. Undefined: sharp decodes all, to the same pixels. */
  readonly turbojpeg: Turbojpeg | undefined;
  /** Default `colour`. */
  readonly colour?: ColourMode;
  /** Gives the array, of that many bytes, that an image is returned in. Default: a new one each time. */
  readonly allocate?: ((numBytes: number) => Uint8Array) | undefined;
}

export interface ConvertedImage extends PlanarImage {
  readonly decoder: 'libturbojpeg' | 'sharp';
}

export interface PixelPipeline {
  /**
   * Decodes and resizes one image file, told by its content; at once when libturbojpeg can, else later. Any number may be under
   * way. The result is the caller's; `file` need not outlive the call.
   * Throws ERR_IMAGE_UNREADABLE with the reason.
   */
  convert(file: Uint8Array): ConvertedImage | Promise<ConvertedImage>;
}

const UPRIGHT = 1;
/** Memory that a pipeline keeps from image to image: enough for the decoded 20 million pixels of a camera. */
const MAX_KEPT_BYTES = 64 << 20;

/** Throws ERR_NOT_FOUND when the kernels have not been built, or `decodeScale` lacks libturbojpeg. */
export function createPixelPipeline(options: PixelPipelineOptions): PixelPipeline {
  const { resize, turbojpeg, colour = 'colour', allocate, exif, truncated } = options;
  if (resize.resize !== 'none' && resize.decodeScale === true && turbojpeg === undefined) {
    throw new MillraceError(
      'ERR_NOT_FOUND',
      '--decode-scale needs libturbojpeg, as others give other pixels; install it (Debian: libturbojpeg0) or leave the flag out',
    );
  }
  let kernels = new PixelKernels(allocate);
  const isMadeGrey = (isGreyFile: boolean): boolean => colour === 'grey' || (colour === 'native' && isGreyFile);

  /** What is placed may be smaller than the image by a power of two. */
  const resizePlaced = (placed: Size, image: Size): PlanarImage => {
    if (resize.resize === 'none') return kernels.toPlanar();
    const { target } = fitImage(image, resize.fit, resize.size);
    if (target.width * target.height > MAX_PIXELS) {
      throw new MillraceError(
        'ERR_IMAGE_UNREADABLE',
        `${image.width}×${image.height} would become ${target.width}×${target.height}`,
      );
    }
    const fitted = { part: fitImage(placed, resize.fit, resize.size).part, target };
    return resize.resize === 'caffe' ? kernels.resizeBilinear(fitted) : kernels.resizeArea(fitted);
  };

  const finish = (placed: Size, image: Size, isGrey: boolean, decoder: ConvertedImage['decoder']): ConvertedImage => {
    try {
      const planar = resizePlaced(placed, image);
      // The three planes are one and the same.
      return isGrey
        ? { ...planar, channels: 1, data: planar.data.slice(0, planar.data.length / 3), decoder }
        : { ...planar, decoder };
    } finally {
      // WebAssembly's memory never shrinks; after a huge image a new one takes its place.
      if (kernels.numBytes > MAX_KEPT_BYTES) kernels = new PixelKernels(allocate);
    }
  };

  const convertJpeg = (file: Uint8Array): ConvertedImage | undefined => {
    if (turbojpeg === undefined) return undefined;
    const orientation = exif === 'ignore' ? UPRIGHT : jpegOrientation(file);
    if (orientation === undefined) return undefined;
    let found: { readonly header: JpegHeader; readonly target: JpegTarget } | undefined;
    // What it takes for damaged goes to sharp, so that only there it matters what is truncated.
    const isDecoded = turbojpeg.decode(file, (header) => {
      if (header.width * header.height > MAX_PIXELS) return undefined;
      const size = turnedSize(decodedSizeFor(turnedSize(header, orientation), resize), orientation);
      const channels = isMadeGrey(header.isGrey) ? 1 : 3;
      const isInPlace = channels === 3 && orientation === UPRIGHT;
      const room = isInPlace ? kernels.place(size) : new Uint8Array(size.width * size.height * channels);
      found = { header, target: { ...size, channels, room } };
      return found.target;
    });
    if (!isDecoded || found === undefined) return undefined;
    const { header, target } = found;
    const placed = turnedSize(target, orientation);
    let upright = target.room;
    if (orientation !== UPRIGHT) {
      upright = target.channels === 3 ? kernels.place(placed) : new Uint8Array(target.room.length);
      turn(target, target.room, orientation, upright);
    }
    if (target.channels === 1) replicateGrey(upright, kernels.place(placed));
    return finish(placed, turnedSize(header, orientation), target.channels === 1, 'libturbojpeg');
  };

  const convertOther = async (file: Uint8Array): Promise<ConvertedImage> => {
    const image = await decodeImage(file, { exif, truncated });
    const isGrey = isMadeGrey(image.isGrey);
    const room = kernels.place(image);
    if (isGrey && !image.isGrey) replicateGrey(greyOf(image.data), room);
    else room.set(image.data);
    return finish(image, image, isGrey, 'sharp');
  };

  return { convert: (file) => convertJpeg(file) ?? convertOther(Uint8Array.from(file)) };
}

const DCT_DENOMINATORS = [8, 4, 2];

/** The size to decode a JPEG in. */
function decodedSizeFor(image: Size, resize: ResizeOptions): Size {
  if (resize.resize !== 'area' || resize.decodeScale !== true) return { width: image.width, height: image.height };
  const { part, target } = fitImage(image, resize.fit, resize.size);
  const denominator =
    DCT_DENOMINATORS.find((by) => part.width >= by * target.width && part.height >= by * target.height) ?? 1;
  return { width: Math.ceil(image.width / denominator), height: Math.ceil(image.height / denominator) };
}
