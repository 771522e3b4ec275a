import assert from 'node:assert/strict';
import { readdirSync, renameSync, rmSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { shardName, splitFolder } from '../../../../lib/platform/root-layout.js';
import { OpenFiles } from '../../../../lib/shards/open-files.js';
import { holdPlaces, releasePlaces } from '../../../../lib/shards/shard-reader.js';
import { openSplit, type SplitReader } from '../../../../lib/shards/split-reader.js';
import { fixturePixels, makeSplit } from '../../../fixtures/split.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

const SHAPE = { height: 4, width: 4, channels: 3 };
const NUM_SHARDS = 12;
const NUM_SAMPLES = 2 * NUM_SHARDS;

describe('the shards of a split that are open', () => {
  const root = temporaryFolder();
  let folder: string;
  let split: SplitReader;

  beforeEach(async () => {
    folder = splitFolder(root.path, 'fixture', 'train');
    rmSync(folder, { recursive: true, force: true });
    await makeSplit(root.path, {
      dataset: 'fixture',
      split: 'train',
      numSamples: NUM_SAMPLES,
      shape: SHAPE,
      shardSamples: 2,
    });
  });
  afterEach(() => split.close());

  const idOf = (i: number): number => (i * 7) % NUM_SAMPLES;
  const check = (id: number): void => {
    split.read([id], ({ data }) => assert.deepEqual(Uint8Array.from(data), fixturePixels(SHAPE, id)));
  };

  it('are as many as there may be, whatever is read in whatever order', async () => {
    const files = new OpenFiles(3);
    split = await openSplit(folder, files);
    assert.equal(files.numOpen, 0);
    for (let i = 0; i < 3 * NUM_SAMPLES; i++) {
      check(idOf(i));
      assert.equal(files.numOpen, Math.min(i + 1, 3));
    }
    await split.close();
    assert.equal(files.numOpen, 0);
  });

  it('stay open while somebody holds them, and are closed with the last one who does', async () => {
    const files = new OpenFiles(1);
    split = await openSplit(folder, files);
    const places = [0, 5, 5, 9].map((id) => split.placeOf(id));
    const descriptors = holdPlaces(places);
    assert.equal(new Set(descriptors).size, 3);
    check(20);
    assert.equal(files.numOpen, 3);
    await split.close();
    assert.equal(files.numOpen, 3);
    releasePlaces(places);
    assert.equal(files.numOpen, 0);
  });

  it('are not taken for those of another version that lie at their paths, and nothing stays held then', async () => {
    const files = new OpenFiles(1);
    split = await openSplit(folder, files);
    const places = [0, 5].map((id) => split.placeOf(id));
    rmSync(folder, { recursive: true });
    await makeSplit(root.path, {
      dataset: 'fixture',
      split: 'train',
      numSamples: NUM_SAMPLES,
      shape: SHAPE,
      shardSamples: 2,
      salt: 9,
    });
    assert.throws(() => holdPlaces(places), {
      code: 'ERR_VERSION_CHANGED',
      message: /of fixture\/train is not in its place/,
    });
    assert.throws(() => split.read([11], () => undefined), { code: 'ERR_VERSION_CHANGED' });
    assert.equal(split.isStale(), true);
    await split.close();
    assert.equal(files.numOpen, 0);
  });

  it('are found where their folder went, while it is there', async function () {
    if (process.platform !== 'linux') this.skip();
    split = await openSplit(folder, new OpenFiles(1));
    renameSync(folder, join(root.path, 'old'));
    await makeSplit(root.path, {
      dataset: 'fixture',
      split: 'train',
      numSamples: NUM_SAMPLES,
      shape: SHAPE,
      shardSamples: 2,
      salt: 9,
    });
    for (let i = 0; i < NUM_SAMPLES; i++) check(idOf(i));
    assert.equal(split.isStale(), false);
    rmSync(join(root.path, 'old'), { recursive: true });
    assert.throws(() => check(3), { code: 'ERR_VERSION_CHANGED' });
  });

  it('are corrupt when they were changed, or are missing, under the same manifest', async () => {
    split = await openSplit(folder);
    const [changed, missing] = [1, 2].map((index) => join(folder, shardName(index), 'data.mdb'));
    utimesSync(changed, 1, 1);
    rmSync(missing);
    assert.throws(() => check(2), { code: 'ERR_SHARD_CORRUPT', message: `${changed} is another file than it was` });
    assert.throws(() => check(4), {
      code: 'ERR_SHARD_CORRUPT',
      message: /shard-00002\/data.mdb cannot be opened: no such file or directory/,
    });
    check(0);
    assert.ok(readdirSync(folder).includes('manifest.json'));
  });
});
