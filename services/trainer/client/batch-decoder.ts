/** Frames of a batch, or of a connection's part of it, put together again: floats read, the mean subtracted where the wire carried uint8, pictures and labels mixed. */
import type { BatchFrame } from '../../../protos/gen/millrace/v1/batch.js';
import { MillraceError, UsageError } from '../../../lib/core/errors.js';
import type { MixDraw } from '../../../lib/core/mix-draws.js';
import { mixPictures } from '../../../lib/core/mix-pictures.js';
import { softLabels } from '../../../lib/core/soft-labels.js';
import { numElements } from '../../../lib/core/tensor.js';
import { croppedShape } from '../../../lib/core/transform.js';
import type { Batch } from './batch.js';
import type { DatasetInfo } from './dataset-info.js';
import type { CompleteStreamOptions } from './options.js';
import { createPixelReader } from './pixel-reader.js';

const FLAG_PADDING = 2;

export interface BatchDecoder {
  /**
   * Takes the next frame; returns the batch when it was its last one.
   * Throws ERR_VERIFICATION when frames do not follow each other, UsageError when a label is none of the split's classes and rows
   * of probabilities are wanted.
   */
  take(frame: BatchFrame): Batch | undefined;
}

/** `rowsFor` gives the arrays that the batch of a frame, its first one, is to fill. */
export function createBatchDecoder(
  { transform, smoothing }: Pick<CompleteStreamOptions, 'transform' | 'smoothing'>,
  { shape: stored, mean, classes }: DatasetInfo,
  rowsFor: (frame: BatchFrame) => Batch,
): BatchDecoder {
  const shape = croppedShape(stored, transform);
  const elements = numElements(shape);
  const readPixels = createPixelReader(transform, stored, mean);
  let batch: Batch | undefined;
  let mix: MixDraw[] = [];
  let numTaken = 0;

  /** What can be done only when the whole batch is there. */
  const finish = (whole: Batch): Batch => {
    const draws = mix.length === 0 ? undefined : mix;
    if (draws !== undefined) mixPictures(whole.images, shape, transform.layout, draws);
    if (smoothing === undefined) return whole;
    try {
      return { ...whole, targets: softLabels(whole.labels, classes.length, smoothing, draws) };
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new UsageError('labels.format', `labels.format: rows of probabilities cannot be made: ${error.message}`);
    }
  };

  return {
    take(frame) {
      if (frame.firstSample === 0) {
        batch = rowsFor(frame);
        mix = [];
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
      readPixels(batch.images.subarray(numTaken * elements, (numTaken + numSamples) * elements), frame);
      for (const { ownShare: lambda, ...box } of frame.mix) mix.push({ lambda, box: box.bottom > 0 ? box : undefined });
      numTaken += numSamples;
      return numTaken === frame.batchSize ? finish(batch) : undefined;
    },
  };
}
