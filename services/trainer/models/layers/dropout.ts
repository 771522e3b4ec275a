import { absorb, absorbText } from '../../../../lib/core/keyed-hash.js';
import { numElementsOf } from '../parameter-spec.js';
import { plainLayer, type LayerBuilder } from './layer.js';

/**
 * In training, sets each value to 0 with probability `rate` and raises the others to keep the sum, as Caffe does. The mask is a
 * function of the pass's key, the layer's name and the place, so that a run that goes on drops what it would have dropped.
 */
export function dropout(name: string, rate: number): LayerBuilder {
  return (inputShape) =>
    plainLayer(inputShape, ({ tf, training }, x) => {
      if (training === undefined) return x;
      const key = absorbText(training.dropoutKey, name);
      const mask = dropoutMask(key, rate, x.shape[0] * numElementsOf(inputShape));
      return tf.mul(x, tf.tensor(mask, x.shape));
    });
}

/** 0 with probability `rate`, else 1 / (1 - rate). */
export function dropoutMask(key: number, rate: number, length: number): Float32Array {
  const mask = new Float32Array(length);
  const threshold = rate * 0x1_0000_0000;
  const kept = 1 / (1 - rate);
  for (let i = 0; i < length; i++) mask[i] = absorb(key, i) < threshold ? 0 : kept;
  return mask;
}
