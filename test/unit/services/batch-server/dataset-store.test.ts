import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MANIFEST_FILE, MEAN_FILE, shardName, splitFolder } from '../../../../lib/platform/root-layout.js';
import { encodeBlobProto } from '../../../../lib/shards/blob-proto.js';
import { openSplit, type SplitReader } from '../../../../lib/shards/split-reader.js';
import { createDatasetStore } from '../../../../services/batch-server/dataset-store.js';
import { fixturePixels, makeSplit } from '../../../fixtures/split.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

const SHAPE = { height: 4, width: 4, channels: 3 };
const FIXTURE = { dataset: 'fixture', split: 'train', numSamples: 3, shape: SHAPE, shardSamples: 3 };

describe('a dataset store', () => {
  const root = temporaryFolder();
  let folder: string;

  beforeEach(async () => {
    folder = splitFolder(root.path, 'fixture', 'train');
    rmSync(folder, { recursive: true, force: true });
    await makeSplit(root.path, FIXTURE);
  });

  const check = (split: SplitReader, salt: number): void => {
    split.read([1], ({ data }) => assert.deepEqual(Uint8Array.from(data), fixturePixels(SHAPE, 1, salt)));
  };

  it('closes a version that was replaced with its last lease, also one that was still waited for', async () => {
    const opened = withResolvers();
    const mayGoOn = withResolvers();
    let numOpened = 0;
    const store = createDatasetStore(root.path, {
      async open(...args) {
        const split = await openSplit(...args);
        if (numOpened++ > 0) return split;
        check(split, 0);
        opened.resolve();
        await mayGoOn.promise;
        return split;
      },
    });
    const waiting = store.acquire('fixture', 'train');
    await opened.promise;
    rmSync(folder, { recursive: true });
    await makeSplit(root.path, { ...FIXTURE, salt: 5 });
    const second = await store.acquire('fixture', 'train');
    mayGoOn.resolve();
    const first = await waiting;
    check(first.split, 0);
    check(second.split, 5);
    await second.release();
    check(second.split, 5);
    await first.release();
    // Its file is gone, so that it can be read no more once it is closed.
    assert.throws(() => check(first.split, 0), { code: 'ERR_VERSION_CHANGED' });
    await store.close();
  });

  it('lists and opens the other splits when a manifest is damaged', async () => {
    const store = createDatasetStore(root.path);
    const damaged = splitFolder(root.path, 'damaged', 'train');
    mkdirSync(damaged, { recursive: true });
    writeFileSync(join(damaged, MANIFEST_FILE), '{ "formatVersion": 1, ');
    assert.deepEqual(
      (await store.list()).map(({ dataset }) => dataset),
      ['fixture'],
    );
    await assert.rejects(store.acquire('damaged', 'train'), { code: 'ERR_SHARD_CORRUPT' });
    await (await store.acquire('fixture', 'train')).release();
    await store.close();
  });

  it('does not open a split whose mean is of another shape', async () => {
    const mean = encodeBlobProto({ shape: { ...SHAPE, height: 2 }, data: new Float32Array(2 * 4 * 3) });
    writeFileSync(join(folder, MEAN_FILE), mean);
    const store = createDatasetStore(root.path);
    await assert.rejects(store.acquire('fixture', 'train'), { code: 'ERR_SHARD_CORRUPT', message: /it is 3×2×4, its/ });
  });

  it('has no split of a name that no folder can have, or at a file', async () => {
    const store = createDatasetStore(root.path);
    writeFileSync(splitFolder(root.path, 'notes.txt', ''), 'not a folder');
    for (const dataset of ['x'.repeat(300), 'notes.txt']) {
      await assert.rejects(store.acquire(dataset, 'train'), { code: 'ERR_NOT_FOUND' });
    }
  });

  it('opens a split once for all who ask for it, and again after a failure', async () => {
    let numOpened = 0;
    const store = createDatasetStore(root.path, {
      open(...args) {
        if (numOpened++ === 0) return Promise.reject(new Error('not now'));
        return openSplit(...args);
      },
    });
    await assert.rejects(store.acquire('fixture', 'train'), /not now/);
    const leases = await Promise.all(Array.from({ length: 5 }, () => store.acquire('fixture', 'train')));
    assert.equal(new Set(leases.map(({ split }) => split)).size, 1);
    assert.equal(numOpened, 2);
    for (const lease of leases) await lease.release();
    await store.close();
  });

  it('looks again at a split that a shard was missing of', async () => {
    const shard = join(folder, shardName(0));
    renameSync(shard, `${shard}-elsewhere`);
    const store = createDatasetStore(root.path);
    const first = await store.acquire('fixture', 'train');
    assert.throws(() => check(first.split, 0), { code: 'ERR_SHARD_CORRUPT' });
    renameSync(`${shard}-elsewhere`, shard);
    const second = await store.acquire('fixture', 'train');
    check(second.split, 0);
    await Promise.all([first.release(), second.release()]);
    await store.close();
  });
});

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((onResolved) => (resolve = onResolved));
  return { promise, resolve };
}
