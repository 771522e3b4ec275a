/** `--fit`: how an image of one shape is made to fit another. */
import type { Size } from './image.js';

export const FITS = ['exact', 'short-side', 'cover'] as const;
/**
 * - `exact`: the whole image, squeezed to the size; its aspect ratio is not kept. Caffe's way.
 * - `short-side`: the whole image in its aspect ratio, just large enough to cover the size; images differ in shape.
 * - `cover`: the size, filled with the largest part of the image that has its shape, taken from the centre.
 */
export type Fit = (typeof FITS)[number];

/** The part of an image that is resized, in whole pixels, and the size that it is resized to. */
export interface FittedImage {
  readonly part: Size & { readonly left: number; readonly top: number };
  readonly target: Size;
}

/** A pure function of the two sizes. All numbers that it returns are at least 1, except `left` and `top`. */
export function fitImage(image: Size, fit: Fit, size: Size): FittedImage {
  const whole = { ...image, left: 0, top: 0 };
  if (fit === 'exact') return { part: whole, target: size };
  const isNarrower = image.width * size.height < size.width * image.height;
  if (fit === 'short-side') {
    // The long side is rounded down, as by torchvision's Resize.
    const target = isNarrower
      ? { width: size.width, height: Math.floor((size.width * image.height) / image.width) }
      : { width: Math.floor((size.height * image.width) / image.height), height: size.height };
    return { part: whole, target };
  }
  if (isNarrower) {
    const height = Math.max(1, Math.round((image.width * size.height) / size.width));
    return { part: { width: image.width, height, left: 0, top: (image.height - height) >> 1 }, target: size };
  }
  const width = Math.max(1, Math.round((image.height * size.width) / size.height));
  return { part: { width, height: image.height, left: (image.width - width) >> 1, top: 0 }, target: size };
}
