/**
 * From a record to one picture's elements, whatever the transform: augment, crop, mirror, lay out, subtract the mean, convert. Plain
 * TypeScript; the kernels that do most transforms faster are held against it.
 */
import { copyCrop, type CropWindow } from '../../core/crop.js';
import { toBfloat16, toFloat16 } from '../../core/half-float.js';
import { numElements, type SampleShape } from '../../core/tensor.js';
import { createMeanSubtractor, croppedShape, sourceShape, type Mean, type Transform } from '../../core/transform.js';
import { createAugmenter } from './augmenter.js';

/** Which picture: what it is drawn for, and its window as `windowOf` gives it. */
export interface PictureDraw {
  readonly sampleId: number;
  /** The pass that the sample is drawn for: `BatchPlan.epochs`. */
  readonly epoch: number;
  readonly window: CropWindow;
}

/**
 * Writes one picture's elements, little endian, in the transform's dtype, layout and channel order.
 *
 * @param offset in bytes of `target`; of any alignment
 * @param record planar `[C, H, W]` of the stored shape, B, G, R; left as it is
 */
export type PlacePicture = (target: Uint8Array, offset: number, record: Uint8Array, draw: PictureDraw) => void;

export function createPlainPlacer(transform: Transform, stored: SampleShape, mean: Mean, seed: number): PlacePicture {
  const { dtype, layout, channelOrder } = transform;
  const source = sourceShape(stored, transform);
  const augmenter = createAugmenter(transform, stored, seed);
  const pixelsOf = (record: Uint8Array, { window, epoch, sampleId }: PictureDraw): Uint8Array =>
    augmenter === undefined ? record : augmenter.augment(record, window, epoch, sampleId);
  if (dtype === 'uint8') {
    return (target, offset, record, draw) =>
      copyCrop(target, offset, pixelsOf(record, draw), source, draw.window, layout, channelOrder);
  }
  const subtractor = createMeanSubtractor(transform, stored, mean);
  const elements = numElements(croppedShape(stored, transform));
  const cropped = new Uint8Array(elements);
  const subtracted = new Float32Array(elements);
  const halves = new Uint16Array(dtype === 'float32' ? 0 : elements);
  const toHalf = dtype === 'float16' ? toFloat16 : toBfloat16;

  return (target, offset, record, draw) => {
    copyCrop(cropped, 0, pixelsOf(record, draw), source, draw.window, layout, channelOrder);
    subtractor.subtract(subtracted, cropped, 0, draw.window);
    for (let i = 0; i < halves.length; i++) halves[i] = toHalf(subtracted[i]);
    // As bytes, since the target need not be aligned; every machine that runs Node is little endian.
    target.set(new Uint8Array(dtype === 'float32' ? subtracted.buffer : halves.buffer), offset);
  };
}
