/** `verify --decode`: records that nobody could serve, though they are what the manifest says. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { fileDatumParts, rawDatumParts } from '../../lib/shards/datum.js';
import { versionOf, writeManifest } from '../../lib/shards/manifest.js';
import { createShardWriter } from '../../lib/shards/shard-writer.js';
import { splitFolder } from '../../lib/platform/root-layout.js';

import { millrace } from '../fixtures/cli.js';
import { fixturePixels, makeSplit } from '../fixtures/split.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { tinyJpeg } from '../fixtures/tiny-dataset.js';

describe('verify --decode', () => {
  const root = temporaryFolder();
  const shape = { channels: 3, height: 6, width: 6 };
  const verify = (share: string) => millrace(['verify', 'd', '--decode', share, '--root', root.path]);

  before(async () => {
    const split = { dataset: 'd', split: 'train', numSamples: 8, shape, shardSamples: 4 };
    const manifest = await makeSplit(root.path, split);
    const folder = splitFolder(root.path, 'd', 'train');
    const values = [
      rawDatumParts(shape, fixturePixels(shape, 0), 0),
      rawDatumParts({ ...shape, width: 5 }, new Uint8Array(90), 1),
      fileDatumParts(await tinyJpeg(1), 2),
      fileDatumParts(Buffer.from('no image'), 3),
    ];
    const { path } = manifest.shards[0];
    const writer = await createShardWriter(join(folder, path), values.length, 5_000);
    values.forEach((value, i) => writer.add(Buffer.from(`0000000${i}_record`), ...value));
    const shards = [{ path, ...(await writer.finish()) }, manifest.shards[1]];
    await writer.commit();
    const digests = shards.map(({ contentDigest }) => contentDigest);
    await writeManifest(folder, { ...manifest, shards, version: versionOf(manifest.options, shape, digests) });
  });

  it('decodes nothing unless asked to', async () => {
    const { code, stdout, stderr } = await verify('0%');
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stdout, /decoded/);
  });

  it('names each record that is no sample of the split, and why', async () => {
    const { code, stderr } = await verify('100%');
    assert.equal(code, 3);
    const named = [...stderr.matchAll(/shard-\d+: record "(\w+)": (.*)/g)].map(
      ([, key, reason]) => `${key}: ${reason}`,
    );
    assert.equal(named.length, 2, stderr);
    assert.equal(named[0], '00000001_record: expected a sample of 3×6×6, found 3×6×5');
    assert.match(named[1], /^00000003_record: .*unsupported image format/);
  });

  it('decodes the share that is asked for', async () => {
    // One of four, the last, in each shard.
    const { code, stderr } = await verify('25%');
    assert.equal(code, 3);
    assert.deepEqual(
      [...stderr.matchAll(/record "(\w+)"/g)].map(([, key]) => key),
      ['00000003_record'],
    );
  });

  for (const share of ['101%', 'half', '-1%']) {
    it(`refuses a share of ${share}`, async () => {
      const { code, stderr } = await verify(share);
      assert.equal(code, 2);
      assert.match(stderr, /--decode: expected/);
    });
  }
});
