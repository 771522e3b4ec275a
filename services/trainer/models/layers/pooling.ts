import type { Tensor4D } from '@tensorflow/tfjs-core';
import { plainLayer, type LayerBuilder } from './layer.js';
import { explicitPadding, placeWindows } from './window.js';

export interface PoolingOptions {
  /** Side of the square window, in pixels. */
  readonly size: number;
  readonly stride: number;
  /** Rows around the image that no maximum is taken from. Default 0. */
  readonly pad?: number;
  /** What becomes of a last window that does not fit: `ceil`, as Caffe has it, takes the part that does. Default `ceil`. */
  readonly rounding?: 'floor' | 'ceil';
}

/** `[H, W, C]` to `[H', W', C]`, the greatest value of each window. */
export function maxPooling(options: PoolingOptions): LayerBuilder {
  return pooling('maxPool', options);
}

/** `[H, W, C]` to `[H', W', C]`, the mean of each window. */
export function averagePooling(options: Omit<PoolingOptions, 'pad'>): LayerBuilder {
  return pooling('avgPool', options);
}

/** `[H, W, C]` to `[C]`, the mean of the whole image. */
export const globalAveragePooling: LayerBuilder = ([, , numChannels]) =>
  plainLayer([numChannels], ({ tf }, x) => tf.mean(x, [1, 2]));

function pooling(operation: 'maxPool' | 'avgPool', options: PoolingOptions): LayerBuilder {
  const { size, stride, pad = 0, rounding = 'ceil' } = options;
  return ([height, width, numChannels]) => {
    const rows = placeWindows(height, { size, stride, pad }, rounding);
    const columns = placeWindows(width, { size, stride, pad }, rounding);
    const padding = explicitPadding(rows, columns);
    return plainLayer([rows.numWindows, columns.numWindows, numChannels], ({ tf }, x) =>
      tf[operation](x as Tensor4D, size, stride, padding),
    );
  };
}
