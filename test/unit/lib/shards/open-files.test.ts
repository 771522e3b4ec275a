import assert from 'node:assert/strict';
import {
  appendFileSync,
  copyFileSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
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
const FIXTURE = { dataset: 'fixture', split: 'train', numSamples: NUM_SAMPLES, shape: SHAPE, shardSamples: 2 };

describe('the shards of a split that are open', () => {
  const root = temporaryFolder();
  let folder: string;
  let split: SplitReader;

  beforeEach(async () => {
    folder = splitFolder(root.path, 'fixture', 'train');
    rmSync(folder, { recursive: true, force: true });
    await makeSplit(root.path, FIXTURE);
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
    await makeSplit(root.path, { ...FIXTURE, salt: 9 });
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
    await makeSplit(root.path, { ...FIXTURE, salt: 9 });
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

  it('are corrupt when they cannot be those of the manifest: another length, or the records of another shard', async () => {
    const [longer, ...swapped] = [1, 2, 3].map((index) => join(folder, shardName(index), 'data.mdb'));
    appendFileSync(longer, Buffer.alloc(4096));
    const third = readFileSync(swapped[1]);
    copyFileSync(swapped[0], swapped[1]);
    writeFileSync(swapped[0], third);
    split = await openSplit(folder);
    assert.throws(() => check(2), {
      code: 'ERR_SHARD_CORRUPT',
      message: /shard-00001.* bytes where the manifest says/,
    });
    assert.throws(() => check(4), {
      code: 'ERR_SHARD_CORRUPT',
      message: /shard-00002\/data.mdb holds "00000006_image6.JPEG" where there are only records 4 to 5$/,
    });
    assert.throws(() => check(6), { code: 'ERR_SHARD_CORRUPT' });
    check(0);
    check(8);
  });

  it('that were replaced since the split was opened before are taken for what they are only by their content', async () => {
    split = await openSplit(folder);
    const { identity } = split;
    const [other, missing, same] = [1, 2, 3].map((index) => join(folder, shardName(index), 'data.mdb'));
    const contents = [other, missing, same].map((path) => readFileSync(path));
    await makeSplit(root.path, { ...FIXTURE, dataset: 'salted', salt: 9 });
    const salted = join(splitFolder(root.path, 'salted', 'train'), shardName(1), 'data.mdb');
    assert.equal(statSync(salted).size, statSync(other).size);

    copyFileSync(same, `${same}.new`);
    renameSync(`${same}.new`, same);
    copyFileSync(salted, other);
    rmSync(missing);
    const again = (): Promise<SplitReader> => openSplit(folder, undefined, identity);
    await assert.rejects(again(), {
      code: 'ERR_SHARD_CORRUPT',
      message: /shard-00001\/data.mdb was replaced: expected content digest \w+, found \w+$/,
    });
    writeFileSync(other, contents[0]);
    await assert.rejects(again(), {
      code: 'ERR_SHARD_CORRUPT',
      message: `${missing} was replaced: ${missing} cannot be opened: no such file or directory`,
    });
    writeFileSync(missing, contents[1]);
    await split.close();
    split = await again();
    for (let id = 0; id < NUM_SAMPLES; id++) check(id);
  });
});
