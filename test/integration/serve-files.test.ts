/** Splits whose records are image files, served: the batches are those of the samples that the records are decoded to. */
import assert from 'node:assert/strict';
import { createLogger } from '../../lib/platform/logger.js';
import type { PrepareOptions } from '../../lib/shards/manifest.js';
import { BatchServer } from '../../services/batch-server/server.js';
import { connect, type Client } from '../../services/trainer/client/client.js';
import { prepareDataset } from '../../workers/prepare.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { makeTinyDataset } from '../fixtures/tiny-dataset.js';

describe('a batch server of image files', () => {
  const root = temporaryFolder();
  let server: BatchServer;
  let client: Client;
  const forms = {
    raw: { record: 'raw' },
    original: { record: 'original' },
    jpeg: { record: 'jpeg', quality: 95 },
    mixed: { record: 'mixed', rawShare: 0.5, quality: 95 },
    'as-is': { record: 'original', resize: 'none' },
  } as const;

  async function imagesOf(dataset: string): Promise<Float32Array> {
    const options = {
      dataset,
      split: 'val',
      batchSize: 20,
      seed: 5,
      epochs: 1,
      transform: { cropSize: 13, mean: 'none' },
    } as const;
    for await (const batch of client.stream(options)) return batch.images;
    throw new Error('no batch');
  }

  before(async () => {
    const settings = await makeTinyDataset(root.path);
    for (const [name, form] of Object.entries(forms)) {
      const { size, ...rest } = settings.plan;
      const plan: Partial<PrepareOptions> = { resize: 'area', fit: 'cover', ...form };
      const whole = { ...rest, ...(plan.resize === 'none' ? {} : { size }), ...plan };
      await prepareDataset({ ...settings, name, splits: ['val'], plan: whole }, false);
    }
    server = BatchServer.create(
      { root: root.path, port: 0, metricsPort: 0, drainMs: 500 },
      createLogger('test', 'silent'),
    );
    await server.start();
    client = connect({ servers: [server.address] });
  });

  after(async () => {
    client.close();
    await server.destroy();
  });

  it('serves originals as the pixels that raw records hold', async () => {
    assert.deepEqual(await imagesOf('original'), await imagesOf('raw'));
    assert.deepEqual((await client.dataset('original', 'val')).preparation, { resize: 'area', fit: 'cover' });
  });

  it('serves JPEG records, and raw ones among them, nearly as they were before they were encoded', async () => {
    const raw = await imagesOf('raw');
    for (const name of ['jpeg', 'mixed']) {
      const images = await imagesOf(name);
      const sum = images.reduce((total, value, i) => total + Math.abs(value - raw[i]), 0);
      assert.ok(sum > 0 && sum / images.length < 20, `${name}: ${sum / images.length}`);
    }
  });

  it('refuses a split of many shapes, saying what to do', async () => {
    await assert.rejects(imagesOf('as-is'), /differ in shape.*--fit exact or cover/);
  });
});
