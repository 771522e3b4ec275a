import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { decodeBlobProto } from '../../lib/shards/blob-proto.js';
import { encodeFileDatum, encodeRawDatum } from '../../lib/shards/datum.js';
import { createShardWriter } from '../../lib/shards/shard-writer.js';
import { runCommand } from '../fixtures/run-command.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

describe('compute-image-mean', () => {
  const folder = temporaryFolder();
  const shape = { channels: 3, height: 1, width: 2 };

  async function makeDatabase(name: string, values: readonly Buffer[]): Promise<string> {
    const path = join(folder.path, name);
    const writer = await createShardWriter(path, values.length, 100);
    values.forEach((value, i) => writer.add(Buffer.from(`${String(i).padStart(8, '0')}_x`), value));
    await writer.finish();
    await writer.commit();
    return path;
  }

  it('writes the float32 mean of each pixel and tells the mean of each channel', async () => {
    const images = [
      [0, 1, 2, 3, 4, 5],
      [255, 1, 2, 4, 4, 9],
      [10, 2, 2, 5, 4, 0],
    ];
    const database = await makeDatabase(
      'db',
      images.map((pixels) => encodeRawDatum(shape, Uint8Array.from(pixels), 0)),
    );
    const output = join(folder.path, 'mean.binaryproto');
    const outcome = await runCommand('compute-image-mean', ['-backend', 'lmdb', database, output]);
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.match(outcome.stdout, /Number of channels: 3\nmean_value channel \[0\]: 44\.8/);
    const mean = decodeBlobProto(await readFile(output), output);
    const expected = images[0].map((_, i) => images.reduce((sum, pixels) => sum + pixels[i], 0) / 3);
    assert.deepEqual(mean, { shape, data: Float32Array.from(expected) });
  });

  const odd: [string, () => Buffer[], RegExp][] = [
    ['files that are no images', () => [encodeFileDatum(Buffer.from('file'), 0)], /00000000_x" cannot be decoded/],
    [
      'images of different sizes',
      () => [
        encodeRawDatum(shape, new Uint8Array(6), 0),
        encodeRawDatum({ channels: 3, height: 1, width: 1 }, new Uint8Array(3), 0),
      ],
      /00000001_x" has 3 bytes of pixels, the first one 6/,
    ],
    ['no record', () => [], /there are no records/],
  ];
  for (const [what, values, message] of odd) {
    it(`refuses ${what}`, async () => {
      const outcome = await runCommand('compute-image-mean', [await makeDatabase(what.replaceAll(' ', '-'), values())]);
      assert.equal(outcome.code, 3);
      assert.match(outcome.stderr, message);
    });
  }

  it('takes the mean of image files, and of both kinds, in the order of their keys', async () => {
    const files = [
      [10, 20, 30, 40, 50, 60],
      [0, 0, 0, 255, 255, 255],
    ].map((rgb) =>
      sharp(Buffer.from(rgb), { raw: { width: 2, height: 1, channels: 3 } })
        .png()
        .toBuffer(),
    );
    const [first, second] = await Promise.all(files);
    const raw = encodeRawDatum(shape, Uint8Array.of(1, 2, 3, 4, 5, 6), 0);
    const database = await makeDatabase('files', [encodeFileDatum(first, 0), raw, encodeFileDatum(second, 0)]);
    const output = join(folder.path, 'files.binaryproto');
    const outcome = await runCommand('compute-image-mean', [database, output]);
    assert.equal(outcome.code, 0, outcome.stderr);
    const planar = [
      [30, 60, 20, 50, 10, 40],
      [1, 2, 3, 4, 5, 6],
      [0, 255, 0, 255, 0, 255],
    ];
    const sums = planar[0].map((_, i) => planar.reduce((sum, image) => sum + image[i], 0));
    assert.deepEqual(decodeBlobProto(await readFile(output), output), {
      shape,
      data: Float32Array.from(sums, (sum) => sum / 3),
    });
  });

  it('makes a mean of one channel of grey files', async () => {
    const grey = await sharp(Buffer.of(7, 9), { raw: { width: 2, height: 1, channels: 1 } })
      .toColourspace('b-w')
      .png()
      .toBuffer();
    const outcome = await runCommand('compute-image-mean', [await makeDatabase('grey', [encodeFileDatum(grey, 0)])]);
    assert.match(outcome.stdout, /Number of channels: 1\nmean_value channel \[0\]: 8\.000/);
  });

  it('says that there is no LevelDB, making none', async () => {
    const outcome = await runCommand('compute-image-mean', ['--backend=leveldb', join(folder.path, 'nothing')]);
    assert.equal(outcome.code, 3);
    assert.match(outcome.stderr, /expected a LevelDB database, found none/);
    assert.ok(!existsSync(join(folder.path, 'nothing')));
  });

  it('says that there is no environment', async () => {
    const outcome = await runCommand('compute-image-mean', [join(folder.path, 'nothing')]);
    assert.equal(outcome.code, 3);
    assert.match(outcome.stderr, /nothing.*(found none|cannot be opened)/);
  });
});
