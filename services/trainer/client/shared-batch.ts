/** A batch that the parts of several connections fill, each its own rows. */
import { MillraceError } from '../../../lib/core/errors.js';
import type { BatchFrame } from '../../../protos/gen/millrace/v1/batch.js';
import type { Transform } from '../../../lib/core/transform.js';
import type { Batch } from './batch.js';

export interface SharedBatch {
  /**
   * The rows of a part of the batch that `frame` is of: views of the whole batch's arrays. Claimed again they are the same, for a
   * part that is read once more. Throws ERR_VERIFICATION when the frame is of another batch than the other parts' frames.
   */
  claim(part: number, frame: BatchFrame): Batch;
  /** The whole batch, once each part is in its rows; the next claim begins another one. Undefined before any claim. */
  take(parts: readonly Batch[]): Batch | undefined;
}

export function createSharedBatch({ layout, channelOrder }: Transform, numParts: number): SharedBatch {
  let whole: Batch | undefined;
  return {
    claim(part, frame) {
      const numRows = frame.batchSize;
      const [a, b, c] = frame.sampleShape;
      const elements = a * b * c;
      const size = numRows * numParts;
      const { epoch, step, isLastStep } = frame;
      whole ??= {
        epoch,
        step,
        isLastStep,
        shape: [size, a, b, c],
        layout,
        channelOrder,
        images: new Float32Array(size * elements),
        labels: new Int32Array(size),
        ids: new Float64Array(size),
        isValid: new Uint8Array(size),
      };
      if (whole.epoch !== epoch || whole.step !== step || whole.shape[0] !== size) {
        throw new MillraceError(
          'ERR_VERIFICATION',
          `a connection brings ${numRows} samples of epoch ${epoch}, step ${step}, where others bring ` +
            `${whole.shape[0] / numParts} of epoch ${whole.epoch}, step ${whole.step}`,
          { isRetryable: true },
        );
      }
      const [begin, end] = [part * numRows, (part + 1) * numRows];
      return {
        ...whole,
        shape: [numRows, a, b, c],
        images: whole.images.subarray(begin * elements, end * elements),
        labels: whole.labels.subarray(begin, end),
        ids: whole.ids.subarray(begin, end),
        isValid: whole.isValid.subarray(begin, end),
      };
    },
    take(parts) {
      const taken = whole;
      whole = undefined;
      const targets = parts.flatMap((part) => part.targets ?? []);
      return taken === undefined || targets.length === 0 ? taken : { ...taken, targets: concatenated(targets) };
    },
  };
}

function concatenated(arrays: readonly Float32Array[]): Float32Array {
  if (arrays.length === 1) return arrays[0];
  const whole = new Float32Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    whole.set(array, at);
    at += array.length;
  }
  return whole;
}
