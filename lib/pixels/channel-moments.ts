/** Exact sums, and sums of squares, of each channel over all pixels of images that differ in shape. */
import type { Moments } from './pixel-moments.js';

const NUM_CHANNELS = 3;

/** As `PixelMoments`, with each pixel for an image: the arrays are `[3]`. */
export class ChannelMoments {
  private numPixels = 0;
  private readonly sums = new Float64Array(NUM_CHANNELS);
  private readonly squares = new Float64Array(NUM_CHANNELS);

  /** Adds an image, planar `[3, height, width]`; the caller keeps the array. */
  add(pixels: Uint8Array): void {
    const plane = pixels.length / NUM_CHANNELS;
    for (let channel = 0; channel < NUM_CHANNELS; channel++) {
      let sum = 0;
      let square = 0;
      for (let i = channel * plane, end = i + plane; i < end; i++) {
        sum += pixels[i];
        square += pixels[i] * pixels[i];
      }
      this.sums[channel] += sum;
      this.squares[channel] += square;
    }
    this.numPixels += plane;
  }

  /** The arrays are this object's, and change when an image is added. */
  moments(): Moments {
    return { numImages: this.numPixels, sums: this.sums, squares: this.squares };
  }
}
