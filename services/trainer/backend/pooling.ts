/**
 * Pooling whose windows hang over the edge, as pooling over a padded copy. tfjs' own kernels are not to be had for that: wasm
 * writes past its memory where the overhang is uneven or comes of rounding up (Caffe's way), TensorFlow knows only 'valid' and
 * 'same', and everywhere but there the gradient of average pooling takes such a window for a whole one.
 */
import type { AvgPoolAttrs, backend_util, NamedAttrMap, Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import { replaceKernel } from './replace-kernel.js';
import type { Tf } from './tf.js';

type PoolInfo = backend_util.Conv2DInfo;

/** Less than any pixel. Not -Infinity, which WebGPU's shading language has no literal for. */
const LOWEST = -3.4028234663852886e38;

/** Replaces the four kernels of a backend that has been activated. Call once. */
export function installPooling(tf: Tf, backendName: string): void {
  const original = (kernelName: string) => tf.getKernel(kernelName, backendName).kernelFunc;
  const maxPool = original(tf.MaxPool);
  const avgPool = original(tf.AvgPool);
  const maxPoolGradient = original(tf.MaxPoolGrad);
  const avgPoolGradient = original(tf.AvgPoolGrad);

  replaceKernel(tf, tf.MaxPool, backendName, (call) => {
    const { x } = call.inputs as unknown as { x: Tensor4D };
    const info = infoOf(tf, x, call.attrs);
    if (isKnownWell(info)) return maxPool(call);
    return tf.tidy(() => tf.maxPool(tf.pad(x, frameOf(info), LOWEST), ...windowOf(info)));
  });
  replaceKernel(tf, tf.AvgPool, backendName, (call) => {
    const { x } = call.inputs as unknown as { x: Tensor4D };
    const info = infoOf(tf, x, call.attrs);
    if (isKnownWell(info)) return avgPool(call);
    return tf.tidy(() => tf.mul(tf.avgPool(tf.pad(x, frameOf(info)), ...windowOf(info)), scaleOf(tf, info)));
  });
  replaceKernel(tf, tf.MaxPoolGrad, backendName, (call) => {
    const { dy, input } = call.inputs as unknown as { dy: Tensor4D; input: Tensor4D };
    const info = gradientInfoOf(tf, input, dy, call.attrs);
    if (isKnownWell(info)) return maxPoolGradient(call);
    return tf.tidy(() => {
      const padded = tf.pad(input, frameOf(info), LOWEST);
      const output = tf.maxPool(padded, ...windowOf(info));
      return innerOf(tf, info, runKernel(tf, tf.MaxPoolGrad, { dy, input: padded, output }, info));
    });
  });
  replaceKernel(tf, tf.AvgPoolGrad, backendName, (call) => {
    const { dy, input } = call.inputs as unknown as { dy: Tensor4D; input: Tensor4D };
    const info = gradientInfoOf(tf, input, dy, call.attrs);
    if (hasNoOverhang(info)) return avgPoolGradient(call);
    return tf.tidy(() => {
      const inputs = { dy: tf.mul(dy, scaleOf(tf, info)), input: tf.pad(input, frameOf(info)) };
      return innerOf(tf, info, runKernel(tf, tf.AvgPoolGrad, inputs, info));
    });
  });
}

function infoOf(tf: Tf, input: Tensor4D, attrs: NamedAttrMap | undefined): PoolInfo {
  const { filterSize, strides, pad, dimRoundingMode } = attrs as unknown as AvgPoolAttrs;
  return tf.backend_util.computePool2DInfo(input.shape, filterSize, strides, 1, pad, dimRoundingMode);
}

/** A gradient's attributes do not say how its forward pass rounded; the shape of dy does. */
function gradientInfoOf(tf: Tf, input: Tensor4D, dy: Tensor4D, attrs: NamedAttrMap | undefined): PoolInfo {
  const [, outHeight, outWidth] = dy.shape;
  return { ...infoOf(tf, input, attrs), outHeight, outWidth };
}

/** Whether every backend's own kernel does it right, gradients of averages apart. */
function isKnownWell(info: PoolInfo): boolean {
  return info.padInfo.type === 'SAME' || hasNoOverhang(info);
}

function hasNoOverhang(info: PoolInfo): boolean {
  return frameOf(info).every(([before, after]) => before === 0 && after === 0);
}

/** Pixels that the windows cover outside of the image: what `tf.pad` takes. */
function frameOf(info: PoolInfo): [number, number][] {
  const { top, left } = info.padInfo;
  const bottom = (info.outHeight - 1) * info.strideHeight + info.filterHeight - info.inHeight - top;
  const right = (info.outWidth - 1) * info.strideWidth + info.filterWidth - info.inWidth - left;
  return [
    [0, 0],
    [top, Math.max(0, bottom)],
    [left, Math.max(0, right)],
    [0, 0],
  ];
}

/** The same windows over the padded image. */
function windowOf(info: PoolInfo): [[number, number], [number, number], 'valid'] {
  return [[info.filterHeight, info.filterWidth], [info.strideHeight, info.strideWidth], 'valid'];
}

function runKernel(tf: Tf, kernelName: string, inputs: Record<string, Tensor>, info: PoolInfo): Tensor4D {
  const [filterSize, strides, pad] = windowOf(info);
  return tf.engine().runKernel(kernelName, inputs, { filterSize, strides, pad });
}

function innerOf(tf: Tf, info: PoolInfo, padded: Tensor4D): Tensor4D {
  return tf.slice(padded, [0, info.padInfo.top, info.padInfo.left, 0], info.inShape);
}

/** `[1, outHeight, outWidth, 1]`: size of a window over the number of its pixels that lie in the image. */
function scaleOf(tf: Tf, info: PoolInfo): Tensor4D {
  const { padInfo, filterHeight, filterWidth, outHeight, outWidth } = info;
  const rows = numInside(outHeight, info.strideHeight, filterHeight, padInfo.top, info.inHeight);
  const columns = numInside(outWidth, info.strideWidth, filterWidth, padInfo.left, info.inWidth);
  const area = filterHeight * filterWidth;
  const scales = rows.flatMap((height) => columns.map((width) => area / (height * width)));
  return tf.tensor4d(scales, [1, outHeight, outWidth, 1]);
}

/** Of each window along an axis. */
function numInside(numWindows: number, stride: number, size: number, padBefore: number, inSize: number): number[] {
  return Array.from({ length: numWindows }, (_, index) => {
    const begin = index * stride - padBefore;
    return Math.min(inSize, begin + size) - Math.max(0, begin);
  });
}
