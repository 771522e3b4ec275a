/**
 * tfjs on native TensorFlow: @tensorflow/tfjs-node and -gpu. They are not installed with this package, since they download a
 * library of hundreds of megabytes; `make native-cpu` and `make native-gpu` put each into a folder of its own.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../../../lib/core/errors.js';
import { packageRoot } from '../../../lib/platform/package-root.js';
import { activateBackend, backendError } from './activate.js';
import { installExplicitPadding } from './explicit-padding.js';
import type { OpenedBackend } from './opened-backend.js';
import { installPooling } from './pooling.js';
import { mendOnce } from './replace-kernel.js';
import type { Tf } from './tf.js';

type Kind = 'cpu' | 'gpu';

const PACKAGES = {
  cpu: { backend: 'tensorflow', name: '@tensorflow/tfjs-node' },
  gpu: { backend: 'tensorflow-gpu', name: '@tensorflow/tfjs-node-gpu' },
} as const;

/** Newer ones lack a function that tfjs-node 4.22 calls. */
const NEWEST_NODE = 22;

/** Two libraries of TensorFlow in one process would answer each other's calls: the first one loaded is the only one. */
let loaded: Tf | undefined;

/** Throws ERR_BACKEND when the package is not installed or does not load, or is for a GPU and finds none. */
export async function openTensorflow(kind: Kind): Promise<OpenedBackend> {
  const { backend, name } = PACKAGES[kind];
  loaded ??= load(kind);
  const tf = loaded;
  await activateBackend(tf, 'tensorflow');
  mendOnce(tf, 'tensorflow', () => {
    installExplicitPadding(tf, 'tensorflow');
    installPooling(tf, 'tensorflow');
  });
  const { isUsingGpuDevice } = tf.backend() as unknown as { isUsingGpuDevice: boolean };
  if (kind === 'gpu' && !isUsingGpuDevice) {
    throw backendError(
      backend,
      'TensorFlow finds no GPU',
      `see what "nvidia-smi" says, and that the CUDA which ${name} needs is installed (README, Backends)`,
    );
  }
  if (kind === 'cpu' && isUsingGpuDevice) {
    throw backendError(backend, 'this process computes on a GPU already', 'start another one');
  }
  const { version } = tf as unknown as { version: Readonly<Record<string, string>> };
  return {
    tf,
    device: `TensorFlow (tfjs-node ${version['tfjs-node']}), ${isUsingGpuDevice ? 'GPU' : `CPU, ${cpus().length} threads`}`,
  };
}

function load(kind: Kind): Tf {
  const { backend, name } = PACKAGES[kind];
  const remedy = `run "make native-${kind}" (README, Backends)`;
  const folder = join(packageRoot(), 'native', kind);
  if (!existsSync(join(folder, 'node_modules', name))) throw backendError(backend, 'it is not installed', remedy);
  if (Number(process.versions.node.split('.')[0]) > NEWEST_NODE) {
    throw backendError(backend, `${name} works with Node up to ${NEWEST_NODE}, this is ${process.version}`, 'use that');
  }
  // Read by TensorFlow as it loads: no lines about the instructions that it found.
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
  try {
    return createRequire(join(folder, 'package.json'))(name) as Tf;
  } catch (error) {
    throw backendError(backend, messageOf(error), remedy, error);
  }
}
