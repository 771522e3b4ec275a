/** Frames of a batch put together again, the mean subtracted where the wire carried uint8. */
import type { BatchFrame } from '../../../protos/gen/millrace/v1/batch.js';
import { MillraceError } from '../../../lib/core/errors.js';
import { numElements, type SampleShape } from '../../../lib/core/tensor.js';
import { createMeanSubtractor, croppedShape, type Mean, type Transform } from '../../../lib/core/transform.js';
import type { Batch } from './batch.js';

const FLAG_MIRRORED = 1;
const FLAG_PADDING = 2;

export interface BatchDecoder {
  /**
   * Takes the next frame; returns the batch when it was its last one.
   * Throws ERR_VERIFICATION when frames do not follow each other.
   */
  take(frame: BatchFrame): Batch | undefined;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

export function createBatchDecoder(transform: Transform, stored: SampleShape, mean: Mean): BatchDecoder {
  const shape = croppedShape(stored, transform);
  const elements = numElements(shape);
  const subtractor = createMeanSubtractor(transform, stored, mean);
  let batch: Mutable<Batch> | undefined;
  let numTaken = 0;

  return {
    take(frame) {
      if (frame.firstSample === 0) {
        batch = emptyBatch(frame, transform, shape);
        numTaken = 0;
      }
      if (batch?.epoch !== frame.epoch || batch.step !== frame.step || frame.firstSample !== numTaken) {
        throw new MillraceError(
          'ERR_VERIFICATION',
          `frames out of order: sample ${frame.firstSample} of epoch ${frame.epoch}, step ${frame.step} after ${numTaken} samples`,
          { isRetryable: true },
        );
      }
      const numSamples = frame.ids.length;
      batch.ids.set(frame.ids, numTaken);
      batch.labels.set(frame.labels, numTaken);
      for (let i = 0; i < numSamples; i++) batch.isValid[numTaken + i] = (frame.flags[i] & FLAG_PADDING) === 0 ? 1 : 0;
      const images = batch.images.subarray(numTaken * elements, (numTaken + numSamples) * elements);
      if (transform.dtype === 'float32') {
        // A copy into aligned memory.
        new Uint8Array(images.buffer, images.byteOffset, images.byteLength).set(frame.pixels);
      } else {
        for (let i = 0; i < numSamples; i++) {
          const window = {
            y: frame.cropY[i],
            x: frame.cropX[i],
            height: shape.height,
            width: shape.width,
            isMirrored: (frame.flags[i] & FLAG_MIRRORED) !== 0,
          };
          subtractor.subtract(images, frame.pixels, i * elements, window);
        }
      }
      numTaken += numSamples;
      return numTaken === frame.batchSize ? batch : undefined;
    },
  };
}

function emptyBatch(frame: BatchFrame, { layout, channelOrder }: Transform, shape: SampleShape): Mutable<Batch> {
  const size = frame.batchSize;
  const [a, b, c] = frame.sampleShape;
  return {
    epoch: frame.epoch,
    step: frame.step,
    isLastStep: frame.isLastStep,
    shape: [size, a, b, c],
    layout,
    channelOrder,
    images: new Float32Array(size * numElements(shape)),
    labels: new Int32Array(size),
    ids: new Float64Array(size),
    isValid: new Uint8Array(size),
  };
}
