/** The port to tfjs: which backend computes, and the `tf` to compute with. */
import { messageOf, MillraceError } from '../../../lib/core/errors.js';
import { backendError } from './activate.js';
import { openCpu } from './cpu.js';
import { hasGpuDevice } from './gpu-device.js';
import type { BackendOptions, OpenedBackend } from './opened-backend.js';
import { openTensorflow } from './tensorflow.js';
import { openWasm } from './wasm.js';
import { openWebgpu } from './webgpu.js';

/** `auto` takes the first of the others, which stand in the order of their usual speed, that this machine has. */
export const BACKEND_NAMES = ['auto', 'tensorflow-gpu', 'webgpu', 'tensorflow', 'wasm', 'cpu'] as const;
export type BackendName = (typeof BACKEND_NAMES)[number];

/** A backend that is ready. tfjs has one at a time per process: opening another one makes this one stale. No handle is held. */
export interface Backend extends OpenedBackend {
  readonly name: Exclude<BackendName, 'auto'>;
  /** The faster backends that `auto` tried before, each with why it could not be had. */
  readonly passedOver: readonly string[];
}

const OPENERS: Readonly<Record<Backend['name'], (options: BackendOptions) => Promise<OpenedBackend>>> = {
  'tensorflow-gpu': () => openTensorflow('gpu'),
  webgpu: openWebgpu,
  tensorflow: () => openTensorflow('cpu'),
  wasm: openWasm,
  cpu: openCpu,
};

/**
 * Loads tfjs and makes `name` the backend that computes. Throws ERR_BACKEND, which says why and what to do, when it cannot be
 * had; never takes another one.
 */
export async function openBackend(name: BackendName, options: BackendOptions = {}): Promise<Backend> {
  if (name !== 'auto') return { name, passedOver: [], ...(await OPENERS[name](options)) };
  const passedOver: string[] = [];
  for (const candidate of BACKEND_NAMES) {
    if (candidate === 'auto') continue;
    try {
      if (candidate === 'webgpu' && !hasGpuDevice()) {
        throw backendError(candidate, 'this machine shows no GPU', 'give it one (a container needs its devices)');
      }
      return { name: candidate, passedOver, ...(await OPENERS[candidate]({ allowSoftwareGpu: false })) };
    } catch (error) {
      passedOver.push(messageOf(error));
    }
  }
  throw new MillraceError('ERR_BACKEND', `no backend can be had: ${passedOver.join('; ')}`);
}
