/** Convolutions with a padding in pixels on TensorFlow, which knows only 'valid' and 'same', as ones over a padded copy. */
import type { backend_util, Conv2DAttrs, Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import { replaceKernel } from './replace-kernel.js';
import type { Tf } from './tf.js';

type ConvolutionInfo = backend_util.Conv2DInfo;

/** Replaces the three kernels of the backend, which must be activated. Call once. */
export function installExplicitPadding(tf: Tf, backendName: string): void {
  const original = (kernelName: string) => tf.getKernel(kernelName, backendName).kernelFunc;
  const run = (kernelName: string, inputs: Record<string, Tensor>, attrs: object): Tensor4D =>
    tf.engine().runKernel(kernelName, inputs, { ...attrs, pad: 'valid' });
  const infoOf = (x: Tensor4D['shape'], filter: Tensor4D['shape'], attrs: Conv2DAttrs): ConvolutionInfo =>
    tf.backend_util.computeConv2DInfo(x, filter, attrs.strides, attrs.dilations, attrs.pad, attrs.dimRoundingMode);

  const convolution = original(tf.Conv2D);
  replaceKernel(tf, tf.Conv2D, backendName, (call) => {
    const { x, filter } = call.inputs as unknown as { x: Tensor4D; filter: Tensor4D };
    const attrs = call.attrs as unknown as Conv2DAttrs;
    const info = infoOf(x.shape, filter.shape, attrs);
    if (!isExplicit(info)) return convolution(call);
    return tf.tidy(() => run(tf.Conv2D, { x: tf.pad(x, frameOf(info)), filter }, attrs));
  });

  const filterGradient = original(tf.Conv2DBackpropFilter);
  replaceKernel(tf, tf.Conv2DBackpropFilter, backendName, (call) => {
    const { x, dy } = call.inputs as unknown as { x: Tensor4D; dy: Tensor4D };
    const attrs = call.attrs as unknown as Conv2DAttrs & { filterShape: Tensor4D['shape'] };
    const info = infoOf(x.shape, attrs.filterShape, { ...attrs, dilations: 1 });
    if (!isExplicit(info)) return filterGradient(call);
    return tf.tidy(() => run(tf.Conv2DBackpropFilter, { x: tf.pad(x, frameOf(info)), dy }, attrs));
  });

  const inputGradient = original(tf.Conv2DBackpropInput);
  replaceKernel(tf, tf.Conv2DBackpropInput, backendName, (call) => {
    const { dy, filter } = call.inputs as unknown as { dy: Tensor4D; filter: Tensor4D };
    const attrs = call.attrs as unknown as Conv2DAttrs & { inputShape: Tensor4D['shape'] };
    const info = infoOf(attrs.inputShape, filter.shape, { ...attrs, dilations: 1 });
    if (!isExplicit(info)) return inputGradient(call);
    const frame = frameOf(info);
    const inputShape = attrs.inputShape.map((size, axis) => size + frame[axis][0] + frame[axis][1]);
    return tf.tidy(() => {
      const padded = run(tf.Conv2DBackpropInput, { dy, filter }, { ...attrs, inputShape });
      return tf.slice(padded, [0, info.padInfo.top, info.padInfo.left, 0], attrs.inputShape);
    });
  });
}

function isExplicit({ padInfo }: ConvolutionInfo): boolean {
  return padInfo.type !== 'SAME' && padInfo.type !== 'VALID';
}

function frameOf({ padInfo: { top, bottom, left, right } }: ConvolutionInfo): [number, number][] {
  return [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
}
