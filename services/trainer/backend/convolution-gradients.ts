/**
 * Gradients of a convolution, as convolutions themselves, in place of tfjs' own kernels: its wasm backend has none for the
 * filter, and one for the input that is ten times slower than this; the cpu backend's two are 13 times slower.
 */
import type { Conv2DBackpropFilterAttrs, Conv2DBackpropInputAttrs, Rank, Tensor4D } from '@tensorflow/tfjs-core';
import type { Tf } from './tf.js';
import { replaceKernel } from './replace-kernel.js';

/** Registers both kernels for a backend that has been activated. Call once. */
export function installConvolutionGradients(tf: Tf, backendName: string): void {
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

/**
 * With strides of s, the pixels of one phase (row and column modulo s) see every s-th tap of the filter alone. So dy is convolved
 * with s² turned filters at once, their channels swapped, and the phases are put side by side. Undefined where the strides differ.
 */
function inputGradient(tf: Tf, dy: Tensor4D, filter: Tensor4D, attrs: Conv2DBackpropInputAttrs): Tensor4D | undefined {
  const { strides, pad, dimRoundingMode, inputShape } = attrs;
  const info = tf.backend_util.computeConv2DInfo(inputShape, filter.shape, strides, 1, pad, dimRoundingMode);
  const stride = info.strideHeight;
  if (info.strideWidth !== stride) return undefined;
  const rows = phasesOf(info.inHeight, info.outHeight, info.filterHeight, info.padInfo.top, stride);
  const columns = phasesOf(info.inWidth, info.outWidth, info.filterWidth, info.padInfo.left, stride);
  const [, , numInputs, numOutputs] = filter.shape;
  return tf.tidy(() => {
    const whole = tf.pad(filter, [
      [0, rows.numTaps * stride - info.filterHeight],
      [0, columns.numTaps * stride - info.filterWidth],
      [0, 0],
      [0, 0],
    ]);
    const taps = tf.reshape(whole, [rows.numTaps, stride, columns.numTaps, stride, numInputs, numOutputs]);
    const turned = tf.transpose(tf.reverse(taps, [0, 2]), [0, 2, 5, 1, 3, 4]);
    const filters = tf.reshape<Rank.R4>(turned, [
      rows.numTaps,
      columns.numTaps,
      numOutputs,
      stride * stride * numInputs,
    ]);
    const phases = tf.conv2d<Tensor4D>(dy, filters, 1, padding(rows.before, rows.after, columns.before, columns.after));
    const pixels = stride === 1 ? phases : tf.depthToSpace(phases, stride);
    return tf.slice(pixels, [0, rows.begin, columns.begin, 0], inputShape);
  });
}

/**
 * One axis of the input gradient: taps of a phase's filter, zeros before and after dy, and where the input's first pixel then
 * lies. Padded pixel `stride · q + phase` is the sum over taps t of `dy[q - t] · filter[stride · t + phase]`.
 */
function phasesOf(inSize: number, outSize: number, filterSize: number, padBefore: number, stride: number) {
  const numTaps = Math.ceil(filterSize / stride);
  const first = Math.min(numTaps - 1, Math.floor(padBefore / stride));
  const numSteps = Math.ceil((padBefore + inSize) / stride) - first;
  const before = numTaps - 1 - first;
  const after = Math.max(0, numSteps - outSize - before + numTaps - 1);
  return { numTaps, before, after, begin: padBefore - first * stride };
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
