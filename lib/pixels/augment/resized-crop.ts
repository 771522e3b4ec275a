/** A part of a planar image, resized: what `cv::resize(image(rectangle), INTER_LINEAR)` gives, to the last bit. */
import type { Rectangle } from '../../core/resized-crop.js';
import { numElements, type SampleShape } from '../../core/tensor.js';
import { bilinearTaps, type BilinearTaps } from '../bilinear-taps.js';

/** {@link resizeCrop}, or another that does the same. */
export type CropResizer = typeof resizeCrop;

/**
 * Resizes `rectangle` of `source` (planar `[C, H, W]` of `stored`) to `shape`, into `target` (planar, `shape` long).
 * The rectangle must lie in the image.
 */
export function resizeCrop(
  target: Uint8Array,
  shape: SampleShape,
  source: Uint8Array,
  stored: SampleShape,
  rectangle: Rectangle,
): void {
  const { height, width } = shape;
  if (rectangle.height === 2 * height && rectangle.width === 2 * width) {
    halve(target, shape, source, stored, rectangle);
    return;
  }
  const across = bilinearTaps(rectangle.width, width, 'across');
  const down = bilinearTaps(rectangle.height, height, 'down');
  // The two source rows that an output row lies between, resized across; shifted right by 4 as the blend needs them.
  let upper = { index: -1, values: new Int32Array(width) };
  let lower = { index: -1, values: new Int32Array(width) };
  for (let channel = 0; channel < shape.channels; channel++) {
    const begin = (channel * stored.height + rectangle.y) * stored.width + rectangle.x;
    upper.index = lower.index = -1;
    const row = (line: typeof upper, index: number): void => {
      if (line.index === index) return;
      line.index = index;
      resizeRow(line.values, source, begin + index * stored.width, across);
    };
    for (let y = 0; y < height; y++) {
      if (upper.index !== down.first[y] && lower.index === down.first[y]) [upper, lower] = [lower, upper];
      row(upper, down.first[y]);
      row(lower, down.second[y]);
      const a = upper.values;
      const b = lower.values;
      const wa = down.firstWeight[y];
      const wb = down.secondWeight[y];
      let to = (channel * height + y) * width;
      for (let x = 0; x < width; x++) target[to++] = (((a[x] * wa) >> 16) + ((b[x] * wb) >> 16) + 2) >> 2;
    }
  }
}

function resizeRow(values: Int32Array, source: Uint8Array, begin: number, taps: BilinearTaps): void {
  const { first, second, firstWeight, secondWeight } = taps;
  for (let x = 0; x < values.length; x++) {
    values[x] = (source[begin + first[x]] * firstWeight[x] + source[begin + second[x]] * secondWeight[x]) >> 4;
  }
}

/** Exactly half the size on both axes: OpenCV averages four pixels instead. */
function halve(
  target: Uint8Array,
  shape: SampleShape,
  source: Uint8Array,
  stored: SampleShape,
  { y: top, x: left }: Rectangle,
): void {
  for (let to = 0; to < numElements(shape); to++) {
    const x = to % shape.width;
    const row = Math.floor(to / shape.width);
    const channel = Math.floor(row / shape.height);
    const from = (channel * stored.height + top + 2 * (row % shape.height)) * stored.width + left + 2 * x;
    const below = from + stored.width;
    target[to] = (source[from] + source[from + 1] + source[below] + source[below + 1] + 2) >> 2;
  }
}
