/** `prepare --update`: a finished split whose archives or lists have changed since. */
import assert from 'node:assert/strict';
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import { findPreparedDataset } from '../../cli/commands/prepared-dataset.js';
import { createLogger } from '../../lib/platform/logger.js';
import {
  nextVersionFolder,
  PIXEL_SUMS_FILE,
  replacedVersionFolder,
  SHARD_RECORD_FILE,
  splitFolder,
} from '../../lib/platform/root-layout.js';
import { readManifest } from '../../lib/shards/manifest.js';
import {
  BatchServiceClient,
  MeanMode,
  StreamBatchesRequest,
  type BatchFrame,
} from '../../protos/gen/millrace/v1/batch.js';
import { BatchServer } from '../../services/batch-server/server.js';
import { prepareDataset, type PreparedSplit, type PrepareSettings } from '../../workers/prepare.js';
import { verifySplit } from '../../workers/verify-split.js';
import { lastJsonLine, millrace } from '../fixtures/cli.js';
import { makeTar } from '../fixtures/tar-files.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { prepareTiny } from '../fixtures/tiny-command.js';
import { digestTree, makeTinyDataset, silentReporter, TINY, tinyJpeg } from '../fixtures/tiny-dataset.js';

const NUM_TRAIN_SHARDS = 7;

describe('prepare --update', () => {
  const root = temporaryFolder();
  let settings: PrepareSettings;

  beforeEach(async () => {
    await rm(join(root.path, 'datasets'), { recursive: true, force: true });
    settings = await makeTinyDataset(root.path);
  });

  const folderOf = (split: string): string => splitFolder(root.path, 'tiny', split);
  const change = async (file: string, edit: (text: string) => string): Promise<void> => {
    const path = join(root.path, 'archives', file);
    await writeFile(path, edit(await readFile(path, 'utf8')));
  };
  /** One label of one record. */
  const relabel = (): Promise<void> => change('train.txt', (list) => list.replace('c2_7.JPEG 2', 'c2_7.JPEG 3'));

  async function prepare(split: string, changes: Partial<PrepareSettings> = {}): Promise<PreparedSplit> {
    const [prepared] = await prepareDataset({ ...settings, splits: [split], ...changes }, false);
    return prepared;
  }
  const update = (split: string, changes: Partial<PrepareSettings> = {}): Promise<PreparedSplit> =>
    prepare(split, { mayUpdate: true, ...changes });

  /** That what lies there now is what would be made of the source where there was nothing. */
  async function assertAsFresh(split: string, changes: Partial<PrepareSettings> = {}): Promise<void> {
    const updated = await digestTree(folderOf(split));
    await rename(join(root.path, 'datasets'), join(root.path, `updated-${Math.random()}`));
    await prepare(split, changes);
    assert.deepEqual(updated, await digestTree(folderOf(split)));
  }

  /** Inode and time of change of each shard's data. */
  async function shardFiles(split: string): Promise<Record<string, string>> {
    const files: Record<string, string> = {};
    for (const name of (await readdir(folderOf(split))).filter((entry) => entry.startsWith('shard-'))) {
      const { ino, mtimeNs } = await stat(join(folderOf(split), name, 'data.mdb'), { bigint: true });
      files[name] = `${ino} ${mtimeNs}`;
    }
    return files;
  }

  it('makes the shard of a changed label again, keeps the files of the others, and leaves the version before aside', async () => {
    const { numShardsMade, replaced } = await prepare('train');
    assert.deepEqual([numShardsMade, replaced], [NUM_TRAIN_SHARDS, undefined]);
    const [files, digests] = [await shardFiles('train'), await digestTree(folderOf('train'))];
    await relabel();
    const updated = await update('train');
    assert.deepEqual([updated.wasPrepared, updated.numShardsMade, updated.numRejected], [false, 1, 2]);
    const now = await shardFiles('train');
    assert.equal(Object.keys(files).filter((shard) => files[shard] === now[shard]).length, NUM_TRAIN_SHARDS - 1);
    assert.equal(updated.replaced, replacedVersionFolder(folderOf('train')));
    assert.deepEqual(await digestTree(updated.replaced), digests);
    assert.deepEqual((await update('train')).wasPrepared, true);

    // Once more: the version before that goes.
    await change('train.txt', (list) => list.replace('c2_7.JPEG 3', 'c2_7.JPEG 2'));
    await update('train');
    assert.deepEqual(await digestTree(folderOf('train')), digests);
    assert.deepEqual((await readdir(join(root.path, 'datasets', 'tiny'))).sort(), ['.train.replaced', 'train']);
    await relabel();
    await update('train');
    await assertAsFresh('train');
  });

  it('makes a new manifest alone when only names of classes have changed', async () => {
    await prepare('train');
    await change('words.txt', (words) => words.replace('second', 'another'));
    assert.equal((await update('train')).numShardsMade, 0);
    assert.equal((await readManifest(folderOf('train')))?.classes[1].name, 'another');
    await assertAsFresh('train');
  });

  it('makes all shards of a changed archive again', async () => {
    const plan = { ...settings.plan, shardSamples: 5 };
    await prepare('val', { plan });
    const members = await Promise.all(
      Array.from({ length: TINY.numVal }, async (_, i) => ({
        name: `val_${i}.JPEG`,
        content: await tinyJpeg(7_000 + i),
      })),
    );
    await writeFile(join(root.path, 'archives', 'val.tar'), await makeTar(members));
    assert.equal((await update('val', { plan })).numShardsMade, TINY.numVal / 5);
    await assertAsFresh('val', { plan });
  });

  it('has fewer shards when there are fewer images, and more when there are more', async () => {
    const plan = { ...settings.plan, shardSamples: 5, shuffleSeed: null };
    const lines = (from: number, to: number): string =>
      Array.from({ length: to - from }, (_, i) => `val_${from + i}.JPEG 1\n`).join('');
    await prepare('val', { plan });
    for (const [list, numShards, numShardsMade] of [
      [lines(0, 20), 4, 4],
      [lines(0, 8), 2, 1],
      [lines(0, 20) + lines(0, 3), 5, 4],
    ] as const) {
      await change('val.txt', () => list);
      const updated = await update('val', { plan });
      assert.deepEqual([updated.numShards, updated.numShardsMade], [numShards, numShardsMade]);
    }
    await assertAsFresh('val', { plan });
  });

  it('goes on with the shards as large as they are, where another size would be the default by now', async () => {
    const plan = { ...settings.plan, shardSamples: undefined, shuffleSeed: null };
    const list = 'c0/c0_0.JPEG 0\n'.repeat(520);
    await change('train.txt', () => list);
    assert.equal((await prepare('train', { plan })).numShards, 8);
    await change('train.txt', () => `${list}c1/c1_0.JPEG 1\n`);
    const updated = await update('train', { plan });
    assert.deepEqual([updated.numShards, updated.numShardsMade], [9, 1]);
    assert.equal((await readManifest(folderOf('train')))?.options.shardSamples, 65);
    await assertAsFresh('train', { plan: { ...plan, shardSamples: 65 } });
  });

  it('refuses other options, whatever else differs', async () => {
    await prepare('train');
    await relabel();
    const before = await digestTree(join(root.path, 'datasets'));
    await assert.rejects(
      update('train', { plan: { ...settings.plan, size: 20 } }),
      (error: Error & { code: string }) => {
        assert.equal(error.code, 'ERR_OPTIONS_DIFFER');
        assert.match(error.message, /\n {2}size {7}16 +20\n {2}train\.txt {2}MD5 .*\nask for the same/);
        return true;
      },
    );
    assert.deepEqual(await digestTree(join(root.path, 'datasets')), before);
  });

  it('makes all shards again that an earlier version of the program has left, and says so', async () => {
    await prepare('train');
    for (const shard of Object.keys(await shardFiles('train'))) {
      for (const file of [SHARD_RECORD_FILE, PIXEL_SUMS_FILE]) await rm(join(folderOf('train'), shard, file));
    }
    await relabel();
    const said: string[] = [];
    const reporter = { ...silentReporter(), event: (_: string, text: string) => said.push(text) };
    assert.equal((await update('train', { reporter })).numShardsMade, NUM_TRAIN_SHARDS);
    assert.match(said.join('\n'), /none of its shards tells what it was made of, .* they are made again$/);
    await assertAsFresh('train');
  });

  it('makes a shard again of which some is missing', async () => {
    await prepare('train');
    await rm(join(folderOf('train'), 'shard-00000', PIXEL_SUMS_FILE));
    await change('words.txt', (words) => words.replace('second', 'another'));
    assert.equal((await update('train')).numShardsMade, 1);
    await assertAsFresh('train');
  });

  it('shows nobody the version that is not in its place yet, and puts it there if it was killed while doing so', async () => {
    await relabel();
    await prepare('train');
    const next = await digestTree(folderOf('train'));
    await rename(folderOf('train'), nextVersionFolder(folderOf('train')));
    await change('train.txt', (list) => list.replace('c2_7.JPEG 3', 'c2_7.JPEG 2'));
    await prepare('train');
    const { splits } = await findPreparedDataset(root.path, 'tiny', 'all');
    assert.deepEqual(
      splits.map(({ name }) => name),
      ['train'],
    );
    await relabel();
    // Between the two renames.
    await rename(folderOf('train'), replacedVersionFolder(folderOf('train')));
    assert.equal((await update('train')).wasPrepared, true);
    assert.deepEqual(await digestTree(folderOf('train')), next);
    assert.deepEqual((await readdir(join(root.path, 'datasets', 'tiny'))).sort(), ['.train.replaced', 'train']);
  });

  it('drops an update that was begun and is not asked for any more', async () => {
    await prepare('train');
    await relabel();
    const tooStrict = { maxRejected: { share: 0, atLeast: 1 } };
    await assert.rejects(update('train', tooStrict), { code: 'ERR_TOO_MANY_REJECTED' });
    await change('train.txt', (list) => list.replace('c2_7.JPEG 3', 'c2_7.JPEG 2'));
    assert.equal((await prepare('train')).wasPrepared, true);
    assert.deepEqual(await readdir(join(root.path, 'datasets', 'tiny')), ['train']);
  });

  it('is a flag of the command, which a refusal names, and verify finds nothing wrong', async () => {
    const run = (...flags: string[]) => prepareTiny(root.path, 'train', ...flags);
    assert.equal((await run('--shard-samples', '25')).code, 0);
    await relabel();
    const refused = await run();
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /train\.txt {2}MD5 \w+ {2}MD5 \w+\nbring it up to date with "millrace prepare --update"/,
    );
    const updated = await run('--update');
    assert.equal(updated.code, 0, updated.stderr);
    assert.match(updated.stdout, /shards {4}7, .*; 6 were there\n {2}before {4}.*\.train\.replaced: for streams/);
    assert.deepEqual(
      (
        await verifySplit(folderOf('train'), {
          root: root.path,
          decodeShare: 1,
          reporter: silentReporter(),
          signal: settings.signal,
        })
      ).problems,
      [],
    );
    const [facts] = lastJsonLine(await millrace(['inspect', 'tiny', '--json', '--root', root.path]))[
      'splits'
    ] as object[];
    assert.deepEqual({ labelCounts: { 0: 40, 1: 40, 2: 39, 3: 41 }, ...facts }, facts);
  });

  it('lets streams on the version before go on to their ends, and gives new ones the new version', async function () {
    if (process.platform !== 'linux') this.skip();
    await prepare('train');
    const server = BatchServer.create(
      { root: root.path, port: 0, drainMs: 0, maxOpenShards: 1 },
      createLogger('test', 'silent'),
    );
    await server.start();
    const stub = new BatchServiceClient(server.address, credentials.createInsecure());
    const numEpochs = 40;
    const open = () =>
      stub.streamBatches(
        StreamBatchesRequest.fromPartial({
          dataset: 'tiny',
          split: 'train',
          globalBatchSize: 16,
          numEpochs,
          transform: { mean: MeanMode.NONE },
        }),
      );
    const numOfClass3 = async (frames: AsyncIterable<BatchFrame>): Promise<number> => {
      let count = 0;
      for await (const { labels } of frames) count += labels.filter((label) => label === 3).length;
      return count;
    };
    try {
      const old = open();
      await new Promise((resolve) => old.once('readable', resolve));
      await relabel();
      assert.equal((await update('train')).numShardsMade, 1);
      assert.equal(await numOfClass3(old), 40 * numEpochs);
      assert.equal(await numOfClass3(open()), 41 * numEpochs);
    } finally {
      stub.close();
      await server.destroy();
    }
  });
});
