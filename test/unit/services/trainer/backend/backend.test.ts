import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { MillraceError } from '../../../../../lib/core/errors.js';
import { activateBackend } from '../../../../../services/trainer/backend/activate.js';
import { BACKEND_NAMES, openBackend, type Backend } from '../../../../../services/trainer/backend/backend.js';
import { hasGpuDevice } from '../../../../../services/trainer/backend/gpu-device.js';
import { hasVulkanLoader } from '../../../../../services/trainer/backend/vulkan-loader.js';

const isBackendError = (error: unknown): boolean =>
  error instanceof MillraceError && error.code === 'ERR_BACKEND' && /choose another --backend/.test(error.message);

describe('a backend', () => {
  for (const name of ['wasm', 'cpu'] as const) {
    it(`${name} computes when it has been opened, as often as one likes`, async () => {
      for (let i = 0; i < 2; i++) {
        const backend = await openBackend(name);
        assert.equal(backend.name, name);
        assert.equal(backend.tf.getBackend(), name);
        const product = backend.tf.tidy(() => backend.tf.matMul([[1, 2]], [[3], [4]]).dataSync());
        assert.deepEqual([...product], [11]);
      }
    });
  }

  it('is the fastest that is here when nobody chooses, and says why it is no faster one', async () => {
    const { name, device, passedOver } = await openBackend('auto');
    assert.ok(device.length > 0);
    const fasterOnes = BACKEND_NAMES.slice(1, BACKEND_NAMES.indexOf(name));
    assert.equal(passedOver.length, fasterOnes.length);
    fasterOnes.forEach((faster, i) => assert.match(passedOver[i], new RegExp(`^backend ${faster}: `)));
  });

  it('is never one that was not asked for', async () => {
    for (const name of BACKEND_NAMES.slice(1)) {
      const opened = await openBackend(name).catch((error: unknown) => error);
      if (opened instanceof Error) assert.ok(isBackendError(opened), opened.message);
      else assert.equal((opened as Backend).name, name);
    }
  });

  it('on an imitated GPU must be asked for', async function () {
    const { device } = await openBackend('webgpu', { allowSoftwareGpu: true }).catch(() => this.skip());
    if (!/SwiftShader|llvmpipe/i.test(device)) this.skip();
    await assert.rejects(openBackend('webgpu'), /an imitation in software .*MILLRACE_SOFTWARE_GPU/);
    assert.notEqual((await openBackend('auto')).name, 'webgpu');
  });

  it('on a GPU is not tried where no device of one is', () => {
    assert.equal(hasGpuDevice([import.meta.filename]), true);
    if (process.platform === 'linux') assert.equal(hasGpuDevice(['/dev/no-such-device']), false);
  });

  it('on a GPU is not tried where its library is missing', () => {
    assert.equal(hasVulkanLoader('libvulkan-that-is-not-here.so.1'), false);
    // Any library that there is wherever Node runs on Linux.
    if (process.platform === 'linux') assert.equal(hasVulkanLoader('libc.so.6'), true);
  });

  it('that does not start is an error, though tfjs would go on with another one', async () => {
    const { tf } = await openBackend('wasm');
    tf.registerBackend('broken', () => {
      throw new Error('no such device');
    });
    await assert.rejects(activateBackend(tf, 'broken'), isBackendError);
    tf.removeBackend('broken');
  });

  it('that tfjs does not know is an error', async () => {
    const { tf } = await openBackend('wasm');
    await assert.rejects(activateBackend(tf, 'absent'), isBackendError);
  });

  it('is an error when tfjs says yes and computes with another one', async () => {
    const liar = { setBackend: () => Promise.resolve(true), getBackend: () => 'cpu' };
    await assert.rejects(activateBackend(liar, 'wasm'), isBackendError);
  });

  it('prints nothing of its own', async () => {
    const module = new URL('../../../../../services/trainer/backend/backend.js', import.meta.url).href;
    // A GPU's own driver may print; one that imitates a GPU is not even asked.
    const names = ['cpu', 'wasm', ...((await openBackend('auto')).name === 'wasm' && !hasGpuDevice() ? ['auto'] : [])];
    const script = `
      const { openBackend } = await import(${JSON.stringify(module)});
      for (const name of ${JSON.stringify(names)}) {
        const { tf } = await openBackend(name);
        tf.add([1], [2]).dataSync();
      }`;
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
    assert.equal(stdout + stderr, '');
  });
});
