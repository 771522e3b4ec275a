import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readManifest, versionOf, writeManifest, type Manifest } from '../../../../lib/shards/manifest.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

const MANIFEST: Manifest = {
  formatVersion: 1,
  dataset: 'd',
  split: 'train',
  version: '0'.repeat(32),
  numSamples: 3,
  numRejected: 0,
  shape: { height: 2, width: 2, channels: 3 },
  shards: [
    { path: 'shard-00000', numSamples: 2, bytes: 1, sha256: 'a'.repeat(64), contentDigest: 'b'.repeat(64) },
    { path: 'shard-00001', numSamples: 1, bytes: 1, sha256: 'c'.repeat(64), contentDigest: 'd'.repeat(64) },
  ],
  classes: ['cat', 'dog'].map((id) => ({ id, name: id })),
  classCounts: [1, 2],
  channelMean: [1, 2, 3],
  channelStd: [1, 2, 3],
  source: { archives: [] },
  options: { size: 2, resize: 'caffe', fit: 'exact', record: 'raw', shuffleSeed: null, shardSamples: 2 },
};

describe('manifest', () => {
  const folder = temporaryFolder();

  it('is not there until it is written, and then is what was written', async () => {
    assert.equal(await readManifest(folder.path), undefined);
    await writeManifest(folder.path, MANIFEST);
    assert.deepEqual(await readManifest(folder.path), MANIFEST);
  });

  it('without a fit is of the time when images were only squeezed', async () => {
    await writeManifest(folder.path, MANIFEST);
    const path = join(folder.path, 'manifest.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace(/ *"fit": "exact",\n/, ''));
    assert.ok(!readFileSync(path, 'utf8').includes('fit'));
    assert.deepEqual(await readManifest(folder.path), MANIFEST);
  });

  const damages: [string, (text: string) => string, RegExp][] = [
    ['what is no JSON', (text) => text.slice(0, 40), /not JSON/],
    ['another format version', (text) => text.replace('"formatVersion": 1', '"formatVersion": 2'), /formatVersion/],
    ['a shard outside the folder', (text) => text.replace('shard-00000', '../shard'), /path/],
    [
      'a count that is not the sum of its shards',
      (text) => text.replace('"numSamples": 3', '"numSamples": 4'),
      /says 4 samples/,
    ],
    [
      'counts of classes that do not come to the samples',
      (text) => text.replace(/("classCounts": \[\s*)1/, (_, head: string) => `${head}5`),
      /says 3 samples, but its classes count 7/,
    ],
  ];
  for (const [what, damage, message] of damages) {
    it(`refuses ${what}, naming the file`, async () => {
      await writeManifest(folder.path, MANIFEST);
      const path = join(folder.path, 'manifest.json');
      writeFileSync(path, damage(readFileSync(path, 'utf8')));
      await assert.rejects(readManifest(folder.path), (error: Error & { code: string }) => {
        assert.equal(error.code, 'ERR_SHARD_CORRUPT');
        assert.ok(error.message.startsWith(path));
        assert.match(error.message, message);
        return true;
      });
    });
  }

  it('has a version that changes with content, order and shape, and with how samples are made of originals', () => {
    const { shape } = MANIFEST;
    const raw = { size: 8, resize: 'caffe', fit: 'exact', record: 'raw' } as const;
    const original = { ...raw, record: 'original' } as const;
    const versions = [
      versionOf(raw, shape, ['a', 'b']),
      versionOf(raw, shape, ['b', 'a']),
      versionOf(raw, shape, ['ab']),
      versionOf(raw, { ...shape, width: 3 }, ['a', 'b']),
      versionOf(raw, null, ['a', 'b']),
      versionOf(original, shape, ['a', 'b']),
      versionOf({ ...original, resize: 'area' }, shape, ['a', 'b']),
      versionOf({ ...original, resize: 'area', decodeScale: true }, shape, ['a', 'b']),
      versionOf({ ...original, fit: 'cover' }, shape, ['a', 'b']),
    ];
    assert.equal(new Set(versions).size, versions.length);
    assert.equal(versionOf(raw, shape, ['a', 'b']), versions[0]);
    assert.equal(versionOf({ ...raw, resize: 'area' }, shape, ['a', 'b']), versions[0]);
  });
});
