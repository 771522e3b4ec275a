/**
 * What is done to a record's pixels before they are cropped: resized crop, color jitter, lighting. What comes out is planar uint8
 * again, so that whatever crops, mirrors, converts and subtracts need not know of it.
 */
import { colorStepsOf, lightingOf } from '../../core/color-draws.js';
import type { CropWindow } from '../../core/crop.js';
import { resizedCropOf } from '../../core/resized-crop.js';
import { numElements, type SampleShape } from '../../core/tensor.js';
import { sourceShape, type Transform } from '../../core/transform.js';
import { COLORIST_SLACK_BYTES, type Colorist } from './color.js';
import type { CropResizer } from './resized-crop.js';

export interface Augmenter {
  /**
   * Augments one sample as it is drawn for (seed, epoch, sample id).
   *
   * @param record planar `[C, H, W]` of the stored shape, B, G, R; left as it is
   * @param window what will be cropped: `windowOf` the same sample. Only there the pixels are augmented.
   * @returns planar pixels of `sourceShape(stored, transform)`: the augmenter's own memory, valid until the next call
   */
  augment(record: Uint8Array, window: CropWindow, epoch: number, sampleId: number): Uint8Array;
}

/** What an augmenter works with, on its data. */
export interface AugmentTools {
  readonly resize: CropResizer;
  readonly color: Colorist;
}

/** Bytes that an augmenter needs; 0 when the transform crops records as they are, and there is nothing to augment. */
export function augmentedBytes(transform: Transform, stored: SampleShape): number {
  const isNeeded = transform.cropMode === 'random-resized' || hasColor(transform);
  return isNeeded ? numElements(sourceShape(stored, transform)) + COLORIST_SLACK_BYTES : 0;
}

function hasColor({ colorJitter, lighting }: Transform): boolean {
  return lighting > 0 || Object.values(colorJitter).some((reach: number) => reach > 0);
}

/** @param data what it works in, {@link augmentedBytes} long; its own as long as it is used */
export function createAugmenter(
  transform: Transform,
  stored: SampleShape,
  seed: number,
  data: Uint8Array,
  { resize, color }: AugmentTools,
): Augmenter {
  const isResized = transform.cropMode === 'random-resized';
  const isColored = hasColor(transform);
  const shape = sourceShape(stored, transform);

  return {
    augment(record, window, epoch, sampleId) {
      if (isResized) resize(data, shape, record, stored, resizedCropOf(transform, stored, seed, epoch, sampleId));
      else data.set(record);
      if (!isColored) return data;
      const image = { data, shape, window };
      for (const step of colorStepsOf(transform, seed, epoch, sampleId)) color.applyStep(image, step);
      const levels = lightingOf(transform, seed, epoch, sampleId);
      if (levels !== undefined) color.applyLighting(image, levels);
      return data;
    },
  };
}
