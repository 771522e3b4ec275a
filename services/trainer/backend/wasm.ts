import { activateBackend } from './activate.js';
import { installConvolutionGradients } from './convolution-gradients.js';
import { loadTf } from './load-tf.js';
import { installMaxPoolGradient } from './max-pool-gradient.js';
import type { OpenedBackend } from './opened-backend.js';
import { installPooling } from './pooling.js';
import { installRelu } from './relu.js';
import { mendOnce } from './replace-kernel.js';

/** tfjs in WebAssembly, with the kernels that it lacks or has wrong. Throws ERR_BACKEND. */
export async function openWasm(): Promise<OpenedBackend> {
  const tf = await loadTf();
  const { getThreadsCount } = await import('@tensorflow/tfjs-backend-wasm');
  await activateBackend(tf, 'wasm');
  mendOnce(tf, 'wasm', () => {
    installConvolutionGradients(tf, 'wasm');
    installMaxPoolGradient(tf);
    installPooling(tf, 'wasm');
    installRelu(tf);
  });
  const hasSimd = await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT');
  const numThreads = getThreadsCount();
  return {
    tf,
    device: `WebAssembly with${hasSimd === true ? '' : 'out'} SIMD, ${numThreads} thread${numThreads === 1 ? '' : 's'}`,
  };
}
