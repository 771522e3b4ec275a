/**
 * Color jitter and lighting on the window of a planar image, in place: integers throughout, each step rounded and clamped to
 * `[0, 255]`, as image libraries do it.
 */
import type { ColorStep } from '../../core/color-draws.js';
import type { Rectangle } from '../../core/resized-crop.js';
import type { SampleShape } from '../../core/tensor.js';
import { instantiateSampleKernels, type WindowPlace } from '../sample-kernels-module.js';

/** A planar image `[3, H, W]` in B, G, R order, and the part of it that is meant. */
export interface ColorImage {
  readonly data: Uint8Array;
  readonly shape: SampleShape;
  readonly window: Rectangle;
}

export interface Colorist {
  /** One step of a jitter; `contrast` is about the mean grey of the window. */
  applyStep(image: ColorImage, step: ColorStep): void;
  /** Adds whole grey levels to the channels, B, G, R. */
  applyLighting(image: ColorImage, levels: readonly [number, number, number]): void;
}

/**
 * For images that lie in the memory, with {@link COLORIST_SLACK_BYTES} of the same thread behind them.
 * Throws ERR_NOT_FOUND when the kernels have not been built.
 */
export function createColorist(memory: WebAssembly.SharedMemory): Colorist {
  const kernels = instantiateSampleKernels(memory);
  return {
    applyStep(image, step) {
      const place = placeOf(image);
      switch (step.kind) {
        case 'brightness':
          kernels.blendTowards(...place, 0, step.factor);
          return;
        case 'contrast':
          kernels.blendTowards(...place, kernels.meanGrey(...place), step.factor);
          return;
        case 'saturation':
          kernels.saturate(...place, step.factor);
          return;
        case 'hue':
          kernels.rotateHue(...place, ...step.matrix);
          return;
      }
    },
    applyLighting(image, levels) {
      kernels.addLevels(...placeOf(image), ...levels);
    },
  };
}

/** Kernels write so many bytes past an image back as they were. */
export const COLORIST_SLACK_BYTES = 15;

function placeOf({ data, shape, window }: ColorImage): WindowPlace {
  const at = data.byteOffset + window.y * shape.width + window.x;
  return [at, shape.width, shape.width * shape.height, window.width, window.height];
}
