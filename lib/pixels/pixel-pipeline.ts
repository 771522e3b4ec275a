/** From an image file to the pixels of a record: one entry for whoever converts images. */
import { MillraceError } from '../core/errors.js';
import { decodeImage } from './decode.js';
import { fitImage, type Fit } from './fit.js';
import { MAX_PIXELS, type PlanarImage, type Size } from './image.js';
import { isUprightJpeg } from './jpeg-orientation.js';
import { PixelKernels } from './kernels.js';
import type { Turbojpeg } from './turbojpeg.js';

/**
 * - `caffe`: OpenCV's INTER_LINEAR to the last bit, as Caffe has it; two taps an axis, not smoothed.
 * - `area`: each pixel by the area that is covered of it; the better-looking one.
 * - `none`: as it is.
 */
export type ResizeOptions =
  { readonly resize: 'none' } | { readonly resize: 'caffe' | 'area'; readonly fit: Fit; readonly size: Size };

export interface PixelPipelineOptions {
  readonly resize: ResizeOptions;
  /** Decodes most JPEGs, in half the time. Undefined: sharp decodes all, to the same pixels. */
  readonly turbojpeg: Turbojpeg | undefined;
}

export interface ConvertedImage extends PlanarImage {
  readonly decoder: 'libturbojpeg' | 'sharp';
}

export interface PixelPipeline {
  /**
   * Decodes and resizes one image file, told by its content; at once when libturbojpeg can, else later. Any number may be under
   * way. The result is the caller's; `file` must stay as it is until then.
   * Throws ERR_IMAGE_UNREADABLE with the reason.
   */
  convert(file: Uint8Array): ConvertedImage | Promise<ConvertedImage>;
}

/** Memory that a pipeline keeps from image to image: enough for the decoded 20 million pixels of a camera. */
const MAX_KEPT_BYTES = 64 << 20;

/** Throws ERR_NOT_FOUND when the kernels have not been built. */
export function createPixelPipeline({ resize, turbojpeg }: PixelPipelineOptions): PixelPipeline {
  let kernels = new PixelKernels();

  const resizePlaced = (image: Size): PlanarImage => {
    if (resize.resize === 'none') return kernels.toPlanar();
    const fitted = fitImage(image, resize.fit, resize.size);
    const { width, height } = fitted.target;
    if (width * height > MAX_PIXELS) {
      throw new MillraceError('ERR_IMAGE_UNREADABLE', `${image.width}×${image.height} would become ${width}×${height}`);
    }
    return resize.resize === 'caffe' ? kernels.resizeBilinear(fitted) : kernels.resizeArea(fitted);
  };

  const finish = (image: Size, decoder: ConvertedImage['decoder']): ConvertedImage => {
    try {
      return { ...resizePlaced(image), decoder };
    } finally {
      // WebAssembly's memory never shrinks; after a huge image a new one takes its place.
      if (kernels.numBytes > MAX_KEPT_BYTES) kernels = new PixelKernels();
    }
  };

  const place = (size: Size): Uint8Array | undefined =>
    size.width * size.height > MAX_PIXELS ? undefined : kernels.place(size);

  const convertJpeg = (file: Uint8Array): ConvertedImage | undefined => {
    if (turbojpeg === undefined || !isUprightJpeg(file)) return undefined;
    const size = turbojpeg.decode(file, place);
    return size === undefined ? undefined : finish(size, 'libturbojpeg');
  };

  const convertOther = async (file: Uint8Array): Promise<ConvertedImage> => {
    const image = await decodeImage(file);
    kernels.place(image).set(image.data);
    return finish(image, 'sharp');
  };

  return { convert: (file) => convertJpeg(file) ?? convertOther(file) };
}
