/** What a picture goes through before a model sees it: crops, and the mean. */
import { copyCrop, type CropWindow } from '../lib/core/crop.js';
import { completeTransform } from '../lib/core/presets.js';
import { numElements, type SampleShape } from '../lib/core/tensor.js';
import { createMeanSubtractor, type Mean } from '../lib/core/transform.js';
import type { CheckpointNotes } from './checkpoint-notes.js';

/** `center`: the middle, as in a test. `ten`: the corners and the middle, each mirrored too (Krizhevsky et al. 2012). */
export type Views = 'center' | 'ten';

/** From stored pixels (planar, B, G, R) to `[views, cropSize, cropSize, C]`, mean-subtracted. */
export function createViews(
  { shape, meanMode, scale }: Pick<CheckpointNotes, 'shape' | 'meanMode' | 'scale'>,
  mean: Mean,
  cropSize: number,
  views: Views,
): (pixels: Uint8Array) => Float32Array {
  const transform = completeTransform({ cropSize, cropMode: 'center', mean: meanMode, scale, dtype: 'float32' });
  const subtractor = createMeanSubtractor(transform, shape, mean);
  const windows = windowsOf(shape, cropSize, views);
  const size = numElements({ ...shape, height: cropSize, width: cropSize });
  return (pixels) => {
    const cropped = new Uint8Array(windows.length * size);
    const images = new Float32Array(cropped.length);
    windows.forEach((window, index) => {
      copyCrop(cropped, index * size, pixels, shape, window, transform.layout, transform.channelOrder);
      subtractor.subtract(images, cropped, index * size, window);
    });
    return images;
  };
}

function windowsOf({ height, width }: SampleShape, cropSize: number, views: Views): CropWindow[] {
  const [bottom, right] = [height - cropSize, width - cropSize];
  const center = { y: bottom >> 1, x: right >> 1 };
  const corners = [0, bottom].flatMap((y) => [0, right].map((x) => ({ y, x })));
  const places = views === 'ten' ? [...corners, center] : [center];
  return (views === 'ten' ? [false, true] : [false]).flatMap((isMirrored) =>
    places.map((place) => ({ ...place, height: cropSize, width: cropSize, isMirrored })),
  );
}
