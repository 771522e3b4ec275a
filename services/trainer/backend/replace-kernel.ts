import type { KernelFunc } from '@tensorflow/tfjs-core';
import type { Tf } from './tf.js';

const ours = new WeakSet<KernelFunc>();

/** Makes `kernelFunc` what a backend runs for a kernel, in place of the one it has, if any. */
export function replaceKernel(tf: Tf, kernelName: string, backendName: string, kernelFunc: KernelFunc): void {
  const isPresent = tf.getKernelsForBackend(backendName).some((kernel) => kernel.kernelName === kernelName);
  if (isPresent) tf.unregisterKernel(kernelName, backendName);
  tf.registerKernel({ kernelName, backendName, kernelFunc });
  ours.add(kernelFunc);
}

/**
 * Runs `mend`, which replaces kernels of a backend, among them that of average pooling's gradient, by ones that call the old:
 * unless that has been done. (tfjs-node brings a copy of tfjs' cpu backend, whose kernels undo it as they are loaded.)
 */
export function mendOnce(tf: Tf, backendName: string, mend: () => void): void {
  if (!ours.has(tf.getKernel(tf.AvgPoolGrad, backendName).kernelFunc)) mend();
}
