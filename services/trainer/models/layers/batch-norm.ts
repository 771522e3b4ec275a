import type { Rank, Tensor1D, Tensor4D } from '@tensorflow/tfjs-core';
import type { ParameterSpec } from '../parameter-spec.js';
import type { LayerBuilder } from './layer.js';
import { tensorOf } from './pass.js';

/** Share of a batch in the running statistics, and what keeps the variance from 0: PyTorch's numbers. */
const MOMENTUM = 0.1;
const EPSILON = 1e-5;

/**
 * Batch normalisation over `[N, H, W]` of an image (Ioffe and Szegedy 2015). Learns a factor `<name>.weight` and an offset
 * `<name>.bias` a channel; `<name>.running_mean` and `<name>.running_var` follow the batches and stand in for them in inference.
 */
export function batchNormalization(name: string): LayerBuilder {
  return (inputShape) => {
    const [, , numChannels] = inputShape;
    const shape = [numChannels];
    // Neither decays: pulling a factor towards 0 would only take the layer's scale away.
    const parameter = (suffix: string, value: number): ParameterSpec => ({
      name: `${name}.${suffix}`,
      shape,
      filler: { type: 'constant', value },
      rateMultiplier: 1,
      decayMultiplier: 0,
      isAuxiliary: false,
    });
    const names = { mean: `${name}.running_mean`, variance: `${name}.running_var` };
    return {
      outputShape: inputShape,
      parameters: [parameter('weight', 1), parameter('bias', 0)],
      statistics: [
        { name: names.mean, shape, initialValue: 0 },
        { name: names.variance, shape, initialValue: 1 },
      ],
      apply(pass, x) {
        const { tf, training } = pass;
        const weight = tensorOf<Rank.R1>(pass, `${name}.weight`);
        const bias = tensorOf<Rank.R1>(pass, `${name}.bias`);
        const runningMean = tensorOf<Rank.R1>(pass, names.mean);
        const runningVariance = tensorOf<Rank.R1>(pass, names.variance);
        const images = x as Tensor4D;
        if (training === undefined) return tf.batchNorm(images, runningMean, runningVariance, bias, weight, EPSILON);

        const { mean, variance } = tf.moments(images, [0, 1, 2]) as { mean: Tensor1D; variance: Tensor1D };
        const follow = (running: Tensor1D, now: Tensor1D): Tensor1D =>
          tf.keep(tf.add(tf.mul(running, 1 - MOMENTUM), tf.mul(now, MOMENTUM)));
        const numValues = images.size / numChannels;
        training.statistics.set(names.mean, follow(runningMean, mean));
        // The batch's variance is that of its own values; the estimate for all values is a little larger.
        const unbiased = tf.mul<Tensor1D>(variance, numValues / Math.max(1, numValues - 1));
        training.statistics.set(names.variance, follow(runningVariance, unbiased));
        return tf.batchNorm(images, mean, variance, bias, weight, EPSILON);
      },
    };
  };
}
