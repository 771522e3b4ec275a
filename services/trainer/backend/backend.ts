/** The port to tfjs: which backend computes, and the `tf` to compute with. */
import { messageOf, MillraceError } from '../../../lib/core/errors.js';
import { installConvolutionGradients } from './convolution-gradients.js';
import { installMaxPoolGradient } from './max-pool-gradient.js';
import type { Tf } from './tf.js';

/** `auto` takes the fastest one that this machine has. */
export const BACKEND_NAMES = ['auto', 'wasm', 'cpu'] as const;
export type BackendName = (typeof BACKEND_NAMES)[number];

/** A backend that is ready. tfjs has one at a time per process: opening another one makes this one stale. No handle is held. */
export interface Backend {
  readonly tf: Tf;
  readonly name: Exclude<BackendName, 'auto'>;
  /** What computes, for people: "WebAssembly with SIMD, 1 thread". */
  readonly device: string;
}

/** Loads tfjs and makes `name` the backend that computes. Throws ERR_BACKEND when it cannot be had; never takes another one. */
export async function openBackend(name: BackendName): Promise<Backend> {
  const tf = await loadTf();
  switch (name) {
    case 'auto':
    case 'wasm':
      return { tf, name: 'wasm', device: await openWasm(tf) };
    case 'cpu':
      return { tf, name: 'cpu', device: await openCpu(tf) };
  }
}

async function loadTf(): Promise<Tf> {
  const tf = await import('@tensorflow/tfjs-core');
  // The gradients are registered by nothing else that Node can load: core's own file of them has no bundle for it.
  await import('@tensorflow/tfjs-layers');
  // All that this mode does is to keep tfjs from printing advice.
  tf.enableProdMode();
  return tf;
}

async function openWasm(tf: Tf): Promise<string> {
  const { getThreadsCount } = await import('@tensorflow/tfjs-backend-wasm');
  await activateBackend(tf, 'wasm');
  installConvolutionGradients(tf, 'wasm');
  installMaxPoolGradient(tf);
  const hasSimd = await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT');
  const numThreads = getThreadsCount();
  return `WebAssembly with${hasSimd === true ? '' : 'out'} SIMD, ${numThreads} thread${numThreads === 1 ? '' : 's'}`;
}

async function openCpu(tf: Tf): Promise<string> {
  await import('@tensorflow/tfjs-backend-cpu');
  await activateBackend(tf, 'cpu');
  installConvolutionGradients(tf, 'cpu');
  return 'plain JavaScript, 1 thread';
}

/**
 * Makes a registered backend the one that computes. tfjs only says "false" when a backend cannot start, and computes with another
 * one from then on; here that is an error. Throws ERR_BACKEND.
 */
export async function activateBackend(tf: Pick<Tf, 'setBackend' | 'getBackend'>, name: string): Promise<void> {
  let reason = 'tfjs does not say why';
  try {
    if ((await tf.setBackend(name)) && tf.getBackend() === name) return;
  } catch (error) {
    reason = messageOf(error);
  }
  throw new MillraceError('ERR_BACKEND', `backend ${name} cannot start (${reason}); choose another --backend`, {
    context: { backend: name },
  });
}
