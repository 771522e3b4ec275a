import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
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
    ['image files', () => [encodeFileDatum(Buffer.from('file'), 0)], /is an image file/],
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

  it('says that there is no environment', async () => {
    const outcome = await runCommand('compute-image-mean', [join(folder.path, 'nothing')]);
    assert.equal(outcome.code, 3);
    assert.match(outcome.stderr, /found none/);
  });
});
