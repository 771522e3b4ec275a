/**
 * tfjs on WebGPU: Dawn from npm's `webgpu`, which needs no more of a machine than a GPU with its Vulkan (or Metal, or Direct3D)
 * driver. Both packages are optional, so they are loaded by name and described here as far as they are used.
 */
import type { KernelBackend } from '@tensorflow/tfjs-core';
import { messageOf } from '../../../lib/core/errors.js';
import { activateBackend, backendError } from './activate.js';
import { loadTf } from './load-tf.js';
import type { BackendOptions, OpenedBackend } from './opened-backend.js';
import { installPooling } from './pooling.js';
import { mendOnce } from './replace-kernel.js';
import type { Tf } from './tf.js';
import { hasVulkanLoader } from './vulkan-loader.js';

interface GpuAdapter {
  readonly info: { readonly vendor: string; readonly description: string; readonly isFallbackAdapter: boolean };
  readonly features: ReadonlySet<string>;
  readonly limits: Readonly<Record<string, number>>;
  requestDevice(wanted: {
    requiredFeatures: readonly string[];
    requiredLimits: Readonly<Record<string, number>>;
  }): Promise<object>;
}

interface Dawn {
  readonly globals: object;
  create(flags: readonly string[]): {
    requestAdapter(wanted: { powerPreference: 'high-performance' }): Promise<GpuAdapter | null>;
  };
}

interface TfjsWebgpu {
  readonly WebGPUBackend: new (device: object, info: GpuAdapter['info']) => KernelBackend;
}

/** What tfjs' kernels make use of where an adapter has more than WebGPU guarantees. */
const LIMITS = [
  'maxBufferSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
  'maxStorageBufferBindingSize',
] as const;

let opened: Promise<OpenedBackend & { readonly isSoftware: boolean }> | undefined;

/** Throws ERR_BACKEND when the packages are not installed, there is no adapter, or only an imitated one that was not asked for. */
export async function openWebgpu({ allowSoftwareGpu = false }: BackendOptions): Promise<OpenedBackend> {
  opened ??= start();
  let backend: Awaited<typeof opened>;
  try {
    backend = await opened;
  } catch (error) {
    opened = undefined;
    throw error;
  }
  if (backend.isSoftware && !allowSoftwareGpu) {
    throw backendError(
      'webgpu',
      `the only adapter is an imitation in software (${backend.device})`,
      "install the GPU's Vulkan driver and libvulkan1, or allow the imitation with MILLRACE_SOFTWARE_GPU=1",
    );
  }
  await activateBackend(backend.tf, 'webgpu');
  mendOnce(backend.tf, 'webgpu', () => installPooling(backend.tf, 'webgpu'));
  return backend;
}

async function start(): Promise<OpenedBackend & { isSoftware: boolean }> {
  const [dawn, tfjs] = await loadPackages();
  if (!hasVulkanLoader()) {
    throw backendError('webgpu', 'there is no Vulkan', "install libvulkan1 and the GPU's Vulkan driver");
  }
  const gpu = dawn.create([]);
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null) {
    throw backendError('webgpu', 'there is no adapter', "install the GPU's Vulkan driver and libvulkan1");
  }
  const { info, features, limits } = adapter;
  const device = await adapter.requestDevice({
    requiredFeatures: ['timestamp-query'].filter((feature) => features.has(feature)),
    requiredLimits: Object.fromEntries(LIMITS.map((name) => [name, limits[name]])),
  });
  const tf: Tf = await loadTf();
  standInForBrowser(dawn.globals, gpu);
  // Made out here, since tfjs would keep to itself what goes wrong.
  const backend = new tfjs.WebGPUBackend(device, info);
  tf.registerBackend('webgpu', () => backend);
  return { tf, device: `${info.vendor}, ${info.description}`, isSoftware: info.isFallbackAdapter };
}

/** tfjs looks for what a browser has: constants such as GPUBufferUsage, and `navigator.gpu`. Newer Nodes have a navigator already. */
function standInForBrowser(globals: object, gpu: object): void {
  Object.assign(globalThis, globals);
  if (!('navigator' in globalThis)) Object.assign(globalThis, { navigator: {} });
  const { navigator } = globalThis as unknown as { navigator: object };
  Object.defineProperty(navigator, 'gpu', { value: gpu, configurable: true });
}

async function loadPackages(): Promise<[Dawn, TfjsWebgpu]> {
  const names = ['webgpu', '@tensorflow/tfjs-backend-webgpu'];
  try {
    return (await Promise.all(names.map((name) => import(name)))) as [Dawn, TfjsWebgpu];
  } catch (error) {
    throw backendError('webgpu', messageOf(error), `npm install ${names.join(' ')}`, error);
  }
}
