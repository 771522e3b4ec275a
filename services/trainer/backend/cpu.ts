import { activateBackend } from './activate.js';
import { installConvolutionGradients } from './convolution-gradients.js';
import { loadTf } from './load-tf.js';
import type { OpenedBackend } from './opened-backend.js';
import { installPooling } from './pooling.js';
import { mendOnce } from './replace-kernel.js';

/** tfjs in plain JavaScript: always there, and the one to compare others with. */
export async function openCpu(): Promise<OpenedBackend> {
  const tf = await loadTf();
  await import('@tensorflow/tfjs-backend-cpu');
  await activateBackend(tf, 'cpu');
  mendOnce(tf, 'cpu', () => {
    installConvolutionGradients(tf, 'cpu');
    installPooling(tf, 'cpu');
  });
  return { tf, device: 'plain JavaScript, 1 thread' };
}
