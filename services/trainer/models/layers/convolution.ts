import type { Rank, Tensor4D } from '@tensorflow/tfjs-core';
import type { Tf } from '../../backend/tf.js';
import type { Filler } from '../parameter-spec.js';
import { affineParameters, type AffineFillers } from './affine.js';
import type { LayerBuilder } from './layer.js';
import { tensorOf } from './pass.js';
import { explicitPadding, placeWindows, type Window } from './window.js';

export interface ConvolutionOptions extends AffineFillers {
  /** Side of the square filter, in pixels. */
  readonly size: number;
  readonly numOutputs: number;
  /** Default 1. */
  readonly stride?: number;
  /** Rows of zeros around the image. Default 0. */
  readonly pad?: Window['pad'];
  /** The outputs' first 1/groups see the inputs' first 1/groups, and so on (Krizhevsky et al. 2012). Default 1. */
  readonly groups?: number;
}

/** `[H, W, C]` to `[H', W', numOutputs]`. The weight is `[size, size, C / groups, numOutputs]`. */
export function convolution(name: string, options: ConvolutionOptions): LayerBuilder {
  const { size, numOutputs, stride = 1, pad = 0, groups = 1 } = options;
  return ([height, width, numInputs]) => {
    const window: Window = { size, stride, pad };
    const rows = placeWindows(height, window, 'floor');
    const columns = placeWindows(width, window, 'floor');
    const padding = explicitPadding(rows, columns);
    return {
      outputShape: [rows.numWindows, columns.numWindows, numOutputs],
      parameters: affineParameters(name, [size, size, numInputs / groups, numOutputs], options),
      statistics: [],
      apply(pass, x) {
        const { tf } = pass;
        const weight = tensorOf<Rank.R4>(pass, `${name}.weight`);
        const convolve = (image: Tensor4D, filter: Tensor4D): Tensor4D => tf.conv2d(image, filter, stride, padding);
        const y = groups === 1 ? convolve(x as Tensor4D, weight) : grouped(tf, x as Tensor4D, weight, groups, convolve);
        return options.bias === 'none' ? y : tf.add(y, tensorOf(pass, `${name}.bias`));
      },
    };
  };
}

/** Slice by slice: no backend of tfjs but TensorFlow's own has grouped convolutions. */
function grouped(
  tf: Tf,
  x: Tensor4D,
  weight: Tensor4D,
  groups: number,
  convolve: (image: Tensor4D, filter: Tensor4D) => Tensor4D,
): Tensor4D {
  const images = tf.split<Tensor4D>(x, groups, 3);
  const filters = tf.split<Tensor4D>(weight, groups, 3);
  return tf.concat(
    images.map((image, group) => convolve(image, filters[group])),
    3,
  );
}

/** The filler of convolutions before a ReLU. */
export const MSRA: Filler = { type: 'msra', varianceNorm: 'fan_in' };
