import type { Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { UsageError } from '../../../lib/core/errors.js';
import type { Tf } from '../backend/tf.js';
import type { Batch } from '../client/batch.js';
import type { Model } from '../models/model.js';

/** A batch on the backend. */
export interface BatchTensors {
  /** `[N, H, W, C]` */
  readonly images: Tensor4D;
  /** The labels as one-hot rows, or what the stream made of them (smoothed, mixed), `[N, numClasses]`. */
  readonly targets: Tensor2D;
  /** 1, or 0 for padding, `[N]`. */
  readonly weights: Tensor1D;
}

/** Call inside `tf.tidy`. Throws UsageError when the batch does not fit the model. */
export function toTensors(tf: Tf, batch: Batch, model: Model): BatchTensors {
  checkFits(batch, model);
  return {
    images: tf.tensor4d(batch.images, [...batch.shape]),
    targets:
      batch.targets === undefined
        ? (tf.oneHot(tf.tensor1d(batch.labels, 'int32'), model.numClasses) as Tensor2D)
        : tf.tensor2d(batch.targets, [batch.labels.length, model.numClasses]),
    weights: tf.tensor1d(Float32Array.from(batch.isValid)),
  };
}

function checkFits({ shape, layout, labels, ids }: Batch, { name, inputShape, numClasses }: Model): void {
  const got = shape.slice(1).join('×');
  const expected = inputShape.join('×');
  if (layout !== 'NHWC' || got !== expected) {
    throw new UsageError(
      'model',
      `model: ${name} was made for ${expected} NHWC images, the stream has ${got} ${layout}`,
    );
  }
  // A one-hot row of a label past the end is all zeros: such a sample would teach nothing, and nobody would notice.
  const wrong = labels.findIndex((label) => label < 0 || label >= numClasses);
  if (wrong >= 0) {
    throw new UsageError(
      'model',
      `model: ${name} tells ${numClasses} classes, sample ${ids[wrong]} has label ${labels[wrong]}`,
    );
  }
}

/** Number of samples that are not padding. */
export function numValidOf(batch: Batch): number {
  return batch.isValid.reduce((sum, isValid) => sum + isValid, 0);
}
