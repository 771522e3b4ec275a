import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { throwIfAborted } from '../../../lib/core/errors.js';
import type { Backend } from '../backend/backend.js';
import type { Tf } from '../backend/tf.js';
import type { Batch } from '../client/batch.js';
import type { Model } from '../models/model.js';
import { numValidOf, toTensors, type BatchTensors } from './batch-tensors.js';

/** How well a model does on samples that it has not learnt from. */
export interface Evaluation {
  /** Samples that counted, padding left out. */
  readonly numSamples: number;
  /** Mean cross-entropy. */
  readonly loss: number;
  /** Share of the samples whose class was the first guess. */
  readonly top1: number;
  /** Share of the samples whose class was among the first five guesses. */
  readonly top5: number;
}

/** Goes through all of `batches` with the weights as they are. Throws InterruptedError; what the stream throws. */
export async function evaluate(
  { tf }: Backend,
  model: Model,
  weights: ReadonlyMap<string, Tensor>,
  batches: AsyncIterable<Batch>,
  signal?: AbortSignal,
): Promise<Evaluation> {
  let numSamples = 0;
  const sums = { loss: 0, top1: 0, top5: 0 };
  for await (const batch of batches) {
    throwIfAborted(signal);
    const batchSums = tf.tidy(() => {
      const tensors = toTensors(tf, batch, model);
      return sumsOf(tf, model.logits({ tf, tensors: weights }, tensors.images), tensors);
    });
    const [loss, top1, top5] = await batchSums.data<'float32'>();
    batchSums.dispose();
    sums.loss += loss;
    sums.top1 += top1;
    sums.top5 += top5;
    numSamples += numValidOf(batch);
  }
  return { numSamples, loss: sums.loss / numSamples, top1: sums.top1 / numSamples, top5: sums.top5 / numSamples };
}

/** `[3]`: the sums of loss, first guesses and first five guesses over the valid samples of a batch. */
export function sumsOf(tf: Tf, logits: Tensor2D, { targets, weights }: Omit<BatchTensors, 'images'>): Tensor1D {
  const loss = tf.losses.softmaxCrossEntropy(targets, logits, weights, 0, tf.Reduction.SUM);
  // Counting the classes that are clearly less likely, not those that are likelier, has ties and NaN count as wrong.
  const own = tf.sum(tf.mul(logits, targets), 1, true);
  const numBelow = tf.sum(tf.cast(tf.less(logits, own), 'float32'), 1);
  const numClasses = targets.shape[1];
  const isWithin = (k: number): Tensor => tf.cast(tf.greaterEqual(numBelow, numClasses - k), 'float32');
  const sumWithin = (k: number): Tensor => tf.sum(tf.mul(isWithin(k), weights));
  return tf.stack([loss, sumWithin(1), sumWithin(5)]) as Tensor1D;
}
