import type { KernelFunc } from '@tensorflow/tfjs-core';
import type { Tf } from './tf.js';

/** Makes `kernelFunc` what a backend runs for a kernel, in place of the one it has, if any. */
export function replaceKernel(tf: Tf, kernelName: string, backendName: string, kernelFunc: KernelFunc): void {
  const isPresent = tf.getKernelsForBackend(backendName).some((kernel) => kernel.kernelName === kernelName);
  if (isPresent) tf.unregisterKernel(kernelName, backendName);
  tf.registerKernel({ kernelName, backendName, kernelFunc });
}
