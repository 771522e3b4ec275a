/**
 * A layer is data (what it learns, the shape it gives) and a function; networks are layers put together. Shapes are those of one
 * sample: `[H, W, C]` or `[features]`. Tensors are NHWC.
 */
import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import type { ParameterSpec, StatisticSpec } from '../parameter-spec.js';
import type { Pass } from './pass.js';

export interface Layer {
  readonly outputShape: readonly number[];
  readonly parameters: readonly ParameterSpec[];
  readonly statistics: readonly StatisticSpec[];
  /** `[N, ...inputShape]` to `[N, ...outputShape]`. */
  readonly apply: (pass: Pass, x: Tensor) => Tensor;
}

/** A layer that has not been told its input yet. Throws UsageError when the input is too small. */
export type LayerBuilder = (inputShape: readonly number[]) => Layer;

/** A layer that learns nothing. */
export function plainLayer(outputShape: readonly number[], apply: Layer['apply']): Layer {
  return { outputShape, parameters: [], statistics: [], apply };
}

/** One layer after the other. */
export function sequence(...builders: readonly LayerBuilder[]): LayerBuilder {
  return (inputShape) => {
    const layers: Layer[] = [];
    for (const build of builders) layers.push(build(layers.at(-1)?.outputShape ?? inputShape));
    return {
      outputShape: layers.at(-1)?.outputShape ?? inputShape,
      ...learntBy(layers),
      apply: (pass, x) => layers.reduce((y, layer) => layer.apply(pass, y), x),
    };
  };
}

/** Branches from one input, their channels behind each other. */
export function concatenation(...builders: readonly LayerBuilder[]): LayerBuilder {
  return (inputShape) => {
    const branches = builders.map((build) => build(inputShape));
    const [height, width] = branches[0].outputShape;
    const numChannels = branches.reduce((sum, { outputShape }) => sum + outputShape[2], 0);
    return {
      outputShape: [height, width, numChannels],
      ...learntBy(branches),
      apply: (pass, x) =>
        pass.tf.concat(
          branches.map((branch) => branch.apply(pass, x)),
          3,
        ),
    };
  };
}

/** Two branches from one input, added up. */
export function sum(a: LayerBuilder, b: LayerBuilder): LayerBuilder {
  return (inputShape) => {
    const [left, right] = [a(inputShape), b(inputShape)];
    return {
      outputShape: left.outputShape,
      ...learntBy([left, right]),
      apply: (pass, x) => pass.tf.add(left.apply(pass, x), right.apply(pass, x)),
    };
  };
}

/** The input as it is. */
export const identity: LayerBuilder = sequence();

export const relu: LayerBuilder = (inputShape) => plainLayer(inputShape, ({ tf }, x) => tf.relu(x));

/** Every value times `factor`. */
export function scale(factor: number): LayerBuilder {
  return (inputShape) => plainLayer(inputShape, ({ tf }, x) => tf.mul(x, factor));
}

/** Logits on the side of a network, whose loss is added in training, `lossWeight` times. The input goes on unchanged. */
export function auxiliaryHead(lossWeight: number, head: LayerBuilder): LayerBuilder {
  return (inputShape) => {
    const layer = head(inputShape);
    return {
      outputShape: inputShape,
      parameters: layer.parameters.map((parameter) => ({ ...parameter, isAuxiliary: true })),
      statistics: layer.statistics,
      apply(pass, x) {
        pass.training?.auxiliary.push({ logits: layer.apply(pass, x) as Tensor2D, lossWeight });
        return x;
      },
    };
  };
}

function learntBy(layers: readonly Layer[]): Pick<Layer, 'parameters' | 'statistics'> {
  return {
    parameters: layers.flatMap(({ parameters }) => parameters),
    statistics: layers.flatMap(({ statistics }) => statistics),
  };
}
