/**
 * The gradient of max pooling on the wasm backend, over its heap: tfjs' own kernel gives nothing where a window's maximum is
 * negative, and takes four times as long.
 */
import type { MaxPoolGradAttrs, TensorInfo } from '@tensorflow/tfjs-core';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { Tf } from './tf.js';
import { replaceKernel } from './replace-kernel.js';

type WasmHeap = Pick<BackendWasm, 'makeOutput' | 'typedArrayFromHeap'>;

/** Registers the kernel for the wasm backend. */
export function installMaxPoolGradient(tf: Tf): void {
  replaceKernel(tf, tf.MaxPoolGrad, 'wasm', ({ inputs, attrs, backend }) => {
    const { dy, input } = inputs as { dy: TensorInfo; input: TensorInfo };
    return maxPoolGradient(tf, backend as WasmHeap, dy, input, attrs as unknown as MaxPoolGradAttrs);
  });
}

/** Each window hands its gradient to the first of its greatest elements, as the cpu backend does. */
function maxPoolGradient(
  tf: Tf,
  backend: WasmHeap,
  dy: TensorInfo,
  input: TensorInfo,
  attrs: MaxPoolGradAttrs,
): TensorInfo {
  const info = tf.backend_util.computePool2DInfo(
    input.shape as [number, number, number, number],
    attrs.filterSize,
    attrs.strides,
    1,
    attrs.pad,
    attrs.dimRoundingMode,
  );
  const dx = backend.makeOutput(input.shape, 'float32');
  // The views come after makeOutput, which may move the heap.
  const xs = backend.typedArrayFromHeap(input) as Float32Array;
  const dys = backend.typedArrayFromHeap(dy) as Float32Array;
  const dxs = backend.typedArrayFromHeap(dx) as Float32Array;
  dxs.fill(0);

  const { inHeight, inWidth, inChannels } = info;
  const rowLength = inWidth * inChannels;
  let at = 0;
  for (let n = 0; n < info.batchSize; n++) {
    const image = n * inHeight * rowLength;
    for (let outY = 0; outY < info.outHeight; outY++) {
      const y = outY * info.strideHeight - info.padInfo.top;
      const rowBegin = image + Math.max(0, y) * rowLength;
      const rowEnd = image + Math.min(inHeight, y + info.filterHeight) * rowLength;
      for (let outX = 0; outX < info.outWidth; outX++) {
        const x = outX * info.strideWidth - info.padInfo.left;
        const begin = Math.max(0, x) * inChannels;
        const end = Math.min(inWidth, x + info.filterWidth) * inChannels;
        for (let channel = 0; channel < inChannels; channel++) {
          let best = rowBegin + begin + channel;
          for (let row = rowBegin; row < rowEnd; row += rowLength) {
            for (let i = row + begin + channel; i < row + end; i += inChannels) {
              if (xs[i] > xs[best]) best = i;
            }
          }
          dxs[best] += dys[at++];
        }
      }
    }
  }
  return dx;
}
