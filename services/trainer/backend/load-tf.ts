import type { Tf } from './tf.js';

/** tfjs as it comes with this package: without any backend, with all gradients. */
export async function loadTf(): Promise<Tf> {
  const tf = await import('@tensorflow/tfjs-core');
  // The gradients are registered by nothing else that Node can load: core's own file of them has no bundle for it.
  await import('@tensorflow/tfjs-layers');
  // All that this mode does is to keep tfjs from printing advice.
  tf.enableProdMode();
  return tf;
}
