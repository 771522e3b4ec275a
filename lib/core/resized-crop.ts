/** Which part of an image a random-resized crop takes (Szegedy et al. 2015, "Going deeper with convolutions", section 6). */
import { drawBelow, DrawLane, drawUnit } from './draws.js';
import type { SampleShape } from './tensor.js';
import type { Transform } from './transform.js';

/** In pixels of the stored image; inside it, and not empty. */
export interface Rectangle {
  readonly y: number;
  readonly x: number;
  readonly height: number;
  readonly width: number;
}

const NUM_TRIES = 10;

/**
 * Draws an area and an aspect ratio (its logarithm uniform) until the rectangle fits, at most ten times; then takes the largest
 * rectangle of an aspect ratio within range, from the centre.
 */
export function resizedCropOf(
  { area, aspectRatio }: Pick<Transform, 'area' | 'aspectRatio'>,
  { height, width }: Pick<SampleShape, 'height' | 'width'>,
  seed: number,
  epoch: number,
  sampleId: number,
): Rectangle {
  const [logMin, logMax] = [Math.log(aspectRatio.min), Math.log(aspectRatio.max)];
  for (let attempt = 0; attempt < NUM_TRIES; attempt++) {
    const lane = DrawLane.resizedCrop + 4 * attempt;
    const share = area.min + (area.max - area.min) * drawUnit(seed, epoch, sampleId, lane);
    const ratio = Math.exp(logMin + (logMax - logMin) * drawUnit(seed, epoch, sampleId, lane + 1));
    const w = Math.round(Math.sqrt(share * height * width * ratio));
    const h = Math.round(Math.sqrt((share * height * width) / ratio));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    return {
      y: drawBelow(height - h + 1, seed, epoch, sampleId, lane + 2),
      x: drawBelow(width - w + 1, seed, epoch, sampleId, lane + 3),
      height: h,
      width: w,
    };
  }
  const ratio = Math.min(Math.max(width / height, aspectRatio.min), aspectRatio.max);
  const w = Math.max(1, Math.min(width, Math.round(height * ratio)));
  const h = Math.max(1, Math.min(height, Math.round(width / ratio)));
  return { y: (height - h) >> 1, x: (width - w) >> 1, height: h, width: w };
}
