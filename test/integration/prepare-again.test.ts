/** `prepare` where there is something already: finished, unfinished, or of other archives and options. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MEAN_FILE, splitFolder } from '../../lib/platform/root-layout.js';
import { convertShare, prepareDataset } from '../../workers/prepare.js';
import { digestTree, silentReporter, TINY } from '../fixtures/tiny-dataset.js';
import { tinyRoot } from '../fixtures/tiny-root.js';

const NUM_TRAIN = TINY.numClasses * TINY.trainPerClass;

describe('prepare, again', () => {
  const root = tinyRoot();
  let first: Record<string, string>;

  before(async () => {
    await prepareDataset(root.settings, false);
    first = await digestTree(join(root.path, 'datasets', 'tiny'));
  });

  it('says that it is already prepared, touching nothing', async () => {
    const again = await prepareDataset(root.settings, false);
    assert.ok(
      again.every((split) => split.wasPrepared && split.imagesPerSecond === undefined && split.boundBy === undefined),
    );
    assert.equal(again[0].rejectedReasons['not in the archive'], 1);
    assert.deepEqual(await digestTree(join(root.path, 'datasets', 'tiny')), first);
  });

  it('refuses other options, showing the difference', async () => {
    const plan = { ...root.settings.plan, size: 20, shuffleSeed: null };
    await assert.rejects(prepareDataset({ ...root.settings, plan }, false), (error: Error & { code: string }) => {
      assert.equal(error.code, 'ERR_OPTIONS_DIFFER');
      const lines = error.message.split('\n');
      assert.match(lines[0], /datasets\/tiny\/train was made differently:$/);
      assert.deepEqual(lines.slice(1, -1), [
        '               on disk  asked',
        '  size         16       20',
        '  shuffleSeed  0        null',
      ]);
      return true;
    });
  });

  it('stops when more is rejected than allowed, with the first reasons, and goes on once more is allowed', async () => {
    const strict = root.as('strict', { splits: ['train'], maxRejected: { share: 0, atLeast: 1 } });
    await assert.rejects(prepareDataset(strict, false), {
      code: 'ERR_TOO_MANY_REJECTED',
      message: /2 of 162 images.*\(1\):\n {2}\d+_c/s,
    });
    const [train] = await prepareDataset({ ...strict, maxRejected: root.settings.maxRejected }, false);
    assert.equal(train.numRejected, 2);
  });

  it('stops in order when interrupted, leaving no temporary folder, and goes on', async () => {
    const controller = new AbortController();
    const reporter = silentReporter();
    const progress = reporter.progress.bind(reporter);
    reporter.progress = (state) => {
      progress(state);
      if (state.done >= 60) controller.abort();
    };
    const cut = root.as('interrupted', { splits: ['train'], reporter, signal: controller.signal });
    await assert.rejects(prepareDataset(cut, false), { code: 'ERR_INTERRUPTED' });
    const left = await readdir(splitFolder(root.path, 'interrupted', 'train'));
    assert.deepEqual(
      left.filter((name) => !/^shard-\d{5}$/.test(name)),
      [],
    );
    await prepareDataset(root.as('interrupted', { splits: ['train'] }), false);
    const digests = await digestTree(splitFolder(root.path, 'interrupted', 'train'));
    assert.equal(digests['shard-00006/data.mdb'], first['train/shard-00006/data.mdb']);
    assert.equal(digests[MEAN_FILE], first[`train/${MEAN_FILE}`]);
  });

  it('refuses an archive that has changed since, by its name and digests', async () => {
    const path = join(root.path, 'archives', 'words.txt');
    const words = await readFile(path, 'utf8');
    await writeFile(path, words.replace('second', 'another'));
    try {
      await assert.rejects(prepareDataset(root.settings, false), {
        code: 'ERR_OPTIONS_DIFFER',
        message: /words\.txt {2}MD5 [0-9a-f]{32} {2}MD5 [0-9a-f]{32}\n/,
      });
    } finally {
      await writeFile(path, words);
    }
    assert.ok((await prepareDataset(root.settings, false)).every(({ wasPrepared }) => wasPrepared));
  });

  it('makes again only the shards whose records have changed', async () => {
    const listPath = join(root.path, 'archives', 'train.txt');
    const list = await readFile(listPath, 'utf8');
    const plan = { ...root.settings.plan, shuffleSeed: null };
    const changed = root.as('changed', { splits: ['train'], plan });
    const numConverted = async (): Promise<number> => convertShare(changed, { workerIndex: 0, workerCount: 1 });
    assert.equal(await numConverted(), NUM_TRAIN + 2);
    assert.equal(await numConverted(), 0);
    // Labels of the last shard alone, then one image more, which goes to the last shard too.
    const relabelled = list.trimEnd().split('\n');
    relabelled.push(relabelled.pop()?.replace(/ 3$/, ' 2') ?? '');
    try {
      await writeFile(listPath, `${relabelled.join('\n')}\n`);
      assert.equal(await numConverted(), (NUM_TRAIN + 2) % TINY.shardSamples);
      await writeFile(listPath, `${relabelled.join('\n')}\nc0/c0_0.JPEG 1\n`);
      assert.equal(await numConverted(), ((NUM_TRAIN + 2) % TINY.shardSamples) + 1);
      const [train] = await prepareDataset(changed, false);
      assert.deepEqual([train.numSamples, train.imagesPerSecond], [NUM_TRAIN + 1, undefined]);
    } finally {
      await writeFile(listPath, list);
    }
    await assert.rejects(prepareDataset(changed, false), { code: 'ERR_OPTIONS_DIFFER', message: /train\.txt {2}MD5/ });
  });

  it('drops shards of an unfinished run with other options', async () => {
    const crumbs = root.as('recut', { splits: ['val'], plan: { ...root.settings.plan, shardSamples: 3 } });
    await convertShare(crumbs, { workerIndex: 0, workerCount: 1 });
    await prepareDataset(root.as('recut', { splits: ['val'] }), false);
    const digests = await digestTree(splitFolder(root.path, 'recut', 'val'));
    assert.equal(digests['shard-00000/data.mdb'], first['val/shard-00000/data.mdb']);
    assert.deepEqual(
      Object.keys(digests).filter((path) => path.endsWith('data.mdb')),
      ['shard-00000/data.mdb'],
    );
  });
});
