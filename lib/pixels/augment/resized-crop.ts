/** A part of a planar image, resized: what `cv::resize(image(rectangle), INTER_LINEAR)` gives, to the last bit. */
import type { Rectangle } from '../../core/resized-crop.js';
import type { SampleShape } from '../../core/tensor.js';
import type { Size } from '../image.js';
import { layTaps, paddedColumns, tapPlaces } from '../laid-taps.js';
import { instantiateSampleKernels } from '../sample-kernels-module.js';

/**
 * Resizes `rectangle` of `source` (planar `[C, H, W]` of `stored`) to `shape`, into `target` (planar, `shape` long).
 * The rectangle must lie in the image.
 */
export type CropResizer = (
  target: Uint8Array,
  shape: SampleShape,
  source: Uint8Array,
  stored: SampleShape,
  rectangle: Rectangle,
) => void;

/** Bytes that {@link createCropResizer} needs to make images of that size. */
export function cropResizerBytes(shape: Size): number {
  return tapPlaces(0, shape).end + 4 * paddedColumns(shape.width);
}

/**
 * For arrays that lie in the memory. One byte past the source must be readable.
 * Throws ERR_NOT_FOUND when the kernels have not been built.
 *
 * @param room address, a multiple of 16, of {@link cropResizerBytes} of this thread alone
 */
export function createCropResizer(memory: WebAssembly.SharedMemory, room: number): CropResizer {
  const kernels = instantiateSampleKernels(memory);
  return (target, shape, source, stored, rectangle) => {
    const { width, height, channels } = shape;
    const from = source.byteOffset + rectangle.y * stored.width + rectangle.x;
    const plane = stored.width * stored.height;
    // OpenCV averages there.
    if (rectangle.width === 2 * width && rectangle.height === 2 * height) {
      kernels.halveCrop(from, stored.width, plane, channels, target.byteOffset, width, height);
      return;
    }
    const { offsets, weights, rows, end } = tapPlaces(room, shape);
    layTaps(memory.buffer, { offsets, weights, rows, end }, rectangle, shape, 1);
    const to = target.byteOffset;
    kernels.resizeCrop(from, stored.width, plane, channels, offsets, weights, rows, end, to, width, height);
  };
}
