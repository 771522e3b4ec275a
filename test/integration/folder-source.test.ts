/** A dataset whose images lie in a folder, in place of an archive. */
import assert from 'node:assert/strict';
import { mkdir, readFile, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readManifest } from '../../lib/shards/manifest.js';
import { openSplit } from '../../lib/shards/split-reader.js';
import { REJECTED_FILE, shardName, splitFolder } from '../../lib/platform/root-layout.js';
import { readShardRecord } from '../../lib/shards/shard-record.js';
import { convertShare, prepareDataset } from '../../workers/prepare.js';
import { findDataset } from '../../lib/catalog/catalog.js';
import { millrace } from '../fixtures/cli.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { digestTree, tinyJpeg, tinySettings } from '../fixtures/tiny-dataset.js';

const DATASET = `
name: mine
about: a folder
archives: [{ file: pictures, folder: ./my pictures }]
splits:
  train: { archive: pictures, prefix: train/, labels: { from: folder } }
  val: { archive: pictures, prefix: val/, labels: { from: folder } }
  listed: { archive: pictures, labels: { from: list, list: { archive: pictures, member: lists/all.txt } } }
`;

describe('a folder of images', () => {
  const root = temporaryFolder();
  const at = (name: string): string => join(root.path, 'my pictures', name);
  const prepare = (...flags: readonly string[]) =>
    millrace(['prepare', join(root.path, 'mine.yaml'), '--root', root.path, '--size', '16', '--no-shuffle', ...flags]);

  async function samplesOf(name: string, split: string): Promise<[string, number][]> {
    const reader = await openSplit(splitFolder(root.path, name, split));
    const samples: [string, number][] = [];
    reader.read([...Array(reader.manifest.numSamples).keys()], ({ label }, id) => {
      samples[id] = [reader.keyOf(id).slice(9), label];
    });
    await reader.close();
    return samples;
  }

  before(async () => {
    await writeFile(join(root.path, 'mine.yaml'), DATASET);
    for (const folder of ['train/cat', 'train/a dog/deep', 'val/cat', 'lists', 'elsewhere']) {
      await mkdir(at(folder), { recursive: true });
    }
    let seed = 0;
    const images = ['train/cat/1.jpg', 'train/cat/with space.jpg', 'train/a dog/deep/2.jpg', 'val/cat/3.jpg'];
    for (const name of [...images, 'train/cat/.hidden.jpg', 'train/loose.jpg', 'elsewhere/4.jpg']) {
      await writeFile(at(name), await tinyJpeg(seed++));
    }
    await symlink(at('elsewhere/4.jpg'), at('train/cat/linked.jpg'));
    await symlink(at('elsewhere'), at('train/cat/linked folder'));
    await symlink(at('nowhere'), at('train/cat/dangling.jpg'));
    const list = [
      'train/cat/1.jpg 5',
      '../mine.yaml 1',
      'train/cat/1.jpg 6',
      '/etc/hosts 1',
      'train/cat/with space.jpg 7',
    ];
    await writeFile(at('lists/all.txt'), [...list, 'absent.jpg 8', ''].join('\n'));
  });

  it('takes classes from subfolders, the same ones in all splits, and leaves out what is hidden or in no class', async () => {
    const { code, stderr } = await prepare('--split', 'train');
    assert.equal(code, 0, stderr);
    assert.deepEqual(await samplesOf('mine', 'train'), [
      ['a dog/deep/2.jpg', 0],
      ['cat/1.jpg', 1],
      ['cat/linked.jpg', 1],
      ['cat/with space.jpg', 1],
    ]);
    assert.equal((await prepare('--split', 'val')).code, 0);
    assert.deepEqual(await samplesOf('mine', 'val'), [['cat/3.jpg', 1]]);
    const manifest = await readManifest(splitFolder(root.path, 'mine', 'train'));
    assert.deepEqual(
      manifest?.source.archives.map(({ file }) => file),
      ['pictures'],
    );
  });

  it('follows a list, doubled and spaced names included, and names what the folder does not have', async () => {
    const { code, stderr } = await prepare('--split', 'listed');
    assert.equal(code, 0, stderr);
    assert.deepEqual(await samplesOf('mine', 'listed'), [
      ['train/cat/1.jpg', 5],
      ['train/cat/1.jpg', 6],
      ['train/cat/with space.jpg', 7],
    ]);
    const rejected = (await readFile(join(splitFolder(root.path, 'mine', 'listed'), REJECTED_FILE), 'utf8')).trim();
    assert.deepEqual(
      rejected.split('\n').map((line) => (JSON.parse(line) as { key: string }).key),
      ['00000001_../mine.yaml', '00000003_/etc/hosts', '00000005_absent.jpg'],
    );
  });

  it('tells of a file whose name is no UTF-8', async function () {
    if (process.platform !== 'linux') this.skip();
    const path = Buffer.from(at('val/cat/caf\u00e9.jpg'), 'latin1');
    await writeFile(path, await tinyJpeg(99));
    const { code, stdout, stderr } = await prepare('--split', 'val', '--as', 'latin-1');
    await rm(path);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /2 in, 1 stored, 1 rejected\n.*cannot be read: no such file or directory/);
  });

  it('needs no download, and can be verified', async () => {
    const download = await millrace(['download', join(root.path, 'mine.yaml'), '--root', root.path]);
    assert.equal(download.code, 0, download.stderr);
    assert.equal(download.stdout, 'nothing to fetch: folders stay where they are\n');
    const verify = await millrace(['verify', 'mine', '--split', 'train', '--root', root.path]);
    assert.equal(verify.code, 0, verify.stdout + verify.stderr);
  });

  it('makes only the shards of changed files again, of a finished split when it is to be updated', async () => {
    const settings = { ...tinySettings(root.path), dataset: await findDataset(join(root.path, 'mine.yaml')) };
    const plan = { ...settings.plan, shuffleSeed: null, shardSamples: 2 };
    const half = { ...settings, name: 'again', splits: ['train'], plan };
    const convert = () => convertShare(half, { workerIndex: 0, workerCount: 1 });
    const digest = async (shard: number) =>
      (await readShardRecord(join(splitFolder(root.path, 'again', 'train'), shardName(shard))))?.taskDigest;
    assert.equal(await convert(), 4);
    assert.equal(await convert(), 0);
    const before = [await digest(0), await digest(1)];
    await utimes(at('train/cat/with space.jpg'), 1, 1);
    assert.equal(await convert(), 2);
    assert.equal(await digest(0), before[0]);
    assert.notEqual(await digest(1), before[1]);
    assert.equal((await prepareDataset(half, false))[0].numSamples, 4);
    await writeFile(at('train/cat/new.jpg'), await tinyJpeg(50));
    await assert.rejects(prepareDataset(half, false), {
      code: 'ERR_OPTIONS_DIFFER',
      message: /pictures +MD5 .*--update/s,
    });
    const update = async () => (await prepareDataset({ ...half, mayUpdate: true }, false))[0];
    // The fourth of five: the last one has another number, too.
    assert.deepEqual(await update().then(({ numShards, numShardsMade }) => [numShards, numShardsMade]), [3, 2]);
    await writeFile(at('train/cat/1.jpg'), await tinyJpeg(51));
    assert.deepEqual(await update().then(({ numShards, numShardsMade }) => [numShards, numShardsMade]), [3, 1]);
    const folder = splitFolder(root.path, 'again', 'train');
    const updated = await digestTree(folder);
    await rename(folder, join(root.path, 'updated'));
    await prepareDataset(half, false);
    assert.deepEqual(updated, await digestTree(folder));
  });

  it('says what is wrong with the description', async () => {
    await rm(join(root.path, 'my pictures'), { recursive: true });
    const { code, stderr } = await prepare();
    assert.equal(code, 1);
    assert.match(stderr, /my pictures is no folder, which the dataset says of its "pictures"/);
    for (const [text, replacement, message] of [
      ['folder: ./my pictures', 'folder: p, urls: [http://a.b/c]', /a folder has no URLs, length or digests/],
      ['prefix: val/', 'layout: nested', /only tars can be nested/],
    ] as const) {
      const path = join(root.path, 'wrong.yaml');
      await writeFile(path, DATASET.replace(text, replacement));
      await assert.rejects(findDataset(path), { code: 'ERR_USAGE', message });
    }
  });
});
