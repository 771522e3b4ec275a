/** `verify` on what `prepare` made, whole and damaged. */
import assert from 'node:assert/strict';
import { appendFile, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { splitFolder } from '../../lib/platform/root-layout.js';
import { prepareDataset } from '../../workers/prepare.js';
import { verifySplit } from '../../workers/verify-split.js';
import { silentReporter, TINY } from '../fixtures/tiny-dataset.js';
import { tinyRoot } from '../fixtures/tiny-root.js';

describe('verify', () => {
  const root = tinyRoot();

  before(async () => {
    await prepareDataset(root.settings, false);
  });

  const verify = (name: string, decodeShare = 0.5) =>
    verifySplit(splitFolder(root.path, name, 'val'), {
      root: root.path,
      decodeShare,
      reporter: silentReporter(),
      signal: root.settings.signal,
    });

  it('finds nothing wrong with what was just made', async () => {
    const { problems, numArchives, numSamples, numDecoded } = await verify('tiny');
    assert.deepEqual(problems, []);
    assert.deepEqual([numArchives, numSamples, numDecoded], [3, TINY.numVal, TINY.numVal / 2]);
  });

  it('decodes a record of every shard, however small the share', async () => {
    await prepareDataset(
      root.as('small', { splits: ['val'], plan: { ...root.settings.plan, shardSamples: 5 } }),
      false,
    );
    const { numShards, numDecoded } = await verify('small', 0.01);
    assert.ok(numShards > 1);
    assert.equal(numDecoded, numShards);
    assert.equal((await verify('small', 0)).numDecoded, 0);
  });

  it('names every shard and archive that is not what it was', async () => {
    await prepareDataset(
      root.as('damaged', { splits: ['val'], plan: { ...root.settings.plan, shardSamples: 5 } }),
      false,
    );
    const damaged = splitFolder(root.path, 'damaged', 'val');
    const data = join(damaged, 'shard-00001', 'data.mdb');
    const bytes = await readFile(data);
    bytes[bytes.length - 100] ^= 1;
    await writeFile(data, bytes);
    await truncate(join(damaged, 'shard-00002', 'data.mdb'), 4096);
    await rm(join(damaged, 'shard-00003'), { recursive: true });
    await appendFile(join(root.path, 'archives', 'words.txt'), 'c4 more\n');
    try {
      const { problems } = await verify('damaged');
      const named = problems.map((line) => /(shard-\d+|words\.txt)/.exec(line)?.[0]);
      assert.deepEqual(named, ['shard-00001', 'shard-00002', 'shard-00003', 'words.txt']);
    } finally {
      const words = join(root.path, 'archives', 'words.txt');
      await writeFile(words, (await readFile(words, 'utf8')).replace('c4 more\n', ''));
    }
  });
});
