/**
 * Gradients of a convolution, as convolutions themselves, in place of tfjs' own kernels: its wasm backend has none for the
 * filter, and one for the input that is ten times slower than this; the cpu backend's two are 13 times slower.
 */
import type { Conv2DBackpropFilterAttrs, Conv2DBackpropInputAttrs, Tensor4D } from '@tensorflow/tfjs-core';
import type { Tf } from './tf.js';
import { replaceKernel } from './replace-kernel.js';

const installed = new Set<string>();

/** Registers both kernels for a backend that has been activated; a second call changes nothing. */
export function installConvolutionGradients(tf: Tf, backendName: string): void {
  if (installed.has(backendName)) return;
  installed.add(backendName);
  replaceKernel(tf, tf.Conv2DBackpropFilter, backendName, ({ inputs, attrs }) => {
    const { x, dy } = inputs as unknown as { x: Tensor4D; dy: Tensor4D };
    return filterGradient(tf, x, dy, attrs as unknown as Conv2DBackpropFilterAttrs);
  });
  const original = tf.getKernel(tf.Conv2DBackpropInput, backendName).kernelFunc;
  replaceKernel(tf, tf.Conv2DBackpropInput, backendName, (call) => {
    const { dy, filter } = call.inputs as unknown as { dy: Tensor4D; filter: Tensor4D };
    return inputGradient(tf, dy, filter, call.attrs as unknown as Conv2DBackpropInputAttrs) ?? original(call);
  });
}

/**
 * With x as a batch of its channels and the samples as channels, `[C, H, W, N]`, and dy `[Ho, Wo, N, K]` as a filter that takes
 * as wide steps as the convolution did, the answer is `[C, kh, kw, K]`.
 */
function filterGradient(tf: Tf, x: Tensor4D, dy: Tensor4D, attrs: Conv2DBackpropFilterAttrs): Tensor4D {
  const { strides, pad, dimRoundingMode, filterShape } = attrs;
  const info = tf.backend_util.computeConv2DInfo(x.shape, filterShape, strides, 1, pad, dimRoundingMode);
  const { top, bottom, left, right } = info.padInfo;
  return tf.tidy(() => {
    const gradient = tf.conv2d<Tensor4D>(
      tf.transpose(x, [3, 1, 2, 0]),
      tf.transpose(dy, [1, 2, 0, 3]),
      1,
      padding(top, bottom, left, right),
      'NHWC',
      [info.strideHeight, info.strideWidth],
    );
    // Rows and columns that the strides left over at the end give more positions than the filter has.
    const [numChannels, , , numOutputs] = gradient.shape;
    const whole = tf.slice(gradient, 0, [numChannels, info.filterHeight, info.filterWidth, numOutputs]);
    return tf.transpose(whole, [1, 2, 0, 3]);
  });
}

/** dy convolved with the filter turned by 180 degrees, its channels swapped. Undefined where strides or padding forbid that. */
function inputGradient(tf: Tf, dy: Tensor4D, filter: Tensor4D, attrs: Conv2DBackpropInputAttrs): Tensor4D | undefined {
  const { strides, pad, dimRoundingMode, inputShape } = attrs;
  const info = tf.backend_util.computeConv2DInfo(inputShape, filter.shape, strides, 1, pad, dimRoundingMode);
  const { strideHeight, strideWidth, filterHeight, filterWidth, padInfo } = info;
  const top = filterHeight - 1 - padInfo.top;
  const bottom = filterHeight - 1 - padInfo.bottom;
  const left = filterWidth - 1 - padInfo.left;
  const right = filterWidth - 1 - padInfo.right;
  if (strideHeight !== 1 || strideWidth !== 1 || Math.min(top, bottom, left, right) < 0) return undefined;
  return tf.tidy(() => {
    const turned = tf.transpose(tf.reverse(filter, [0, 1]), [0, 1, 3, 2]);
    return tf.conv2d<Tensor4D>(dy, turned, 1, padding(top, bottom, left, right));
  });
}

type Padding = [[number, number], [number, number], [number, number], [number, number]];

function padding(top: number, bottom: number, left: number, right: number): Padding {
  return [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
}
