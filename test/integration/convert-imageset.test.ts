import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { openShard } from '../../lib/shards/shard-reader.js';
import type { Datum } from '../../lib/shards/datum.js';
import { runCommand } from '../fixtures/run-command.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

interface StoredRecord extends Pick<Datum, 'label' | 'shape' | 'isEncoded'> {
  readonly key: string;
  readonly data: Buffer;
}

describe('convert-imageset', () => {
  const folder = temporaryFolder();
  const at = (name: string): string => join(folder.path, name);
  let numDatabases = 0;
  let database: string;

  async function convert(list: string, ...flags: string[]) {
    await writeFile(at('list.txt'), list);
    database = at(`db${numDatabases++}`);
    return runCommand('convert-imageset', [...flags, `${at('images')}/`, at('list.txt'), database]);
  }

  async function records(): Promise<StoredRecord[]> {
    const shard = openShard(database);
    const found: StoredRecord[] = [];
    shard.read(Array(shard.numSamples).keys(), ({ data, label, shape, isEncoded }, index) => {
      found.push({ key: shard.keyAt(index), label, shape: { ...shape }, isEncoded, data: Buffer.from(data) });
    });
    await shard.close();
    return found;
  }

  before(async () => {
    await mkdir(at('images'));
    const picture = (width: number, height: number) =>
      sharp({ create: { width, height, channels: 3, background: '#336699' } });
    await picture(8, 6).jpeg().toFile(at('images/a.JPEG'));
    await picture(10, 10).png().toFile(at('images/with space.png'));
    await writeFile(at('images/text.jpg'), 'no image');
  });

  it('stores resized pixels under Caffe’s keys, with a gap for what cannot be read, and ends with 0', async () => {
    const outcome = await convert(
      'with space.png 3\r\nmissing.jpg 1\n\ntext.jpg 2\na.JPEG -1\nwith space.png abc\n',
      '--resize_width=4',
      '-resize_height',
      '5',
    );
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.match(outcome.stderr, /Could not open or find file .*missing\.jpg/);
    assert.match(outcome.stderr, /Could not open or find file .*text\.jpg/);
    const found = await records();
    assert.deepEqual(
      found.map(({ key, label }) => [key, label]),
      [
        ['00000000_with space.png', 3],
        ['00000004_a.JPEG', -1],
        ['00000005_with space.png', 0],
      ],
    );
    assert.deepEqual(found[0].shape, { channels: 3, height: 5, width: 4 });
    // Planar B, G, R.
    assert.deepEqual([found[0].data[0], found[0].data[20], found[0].data[40]], [0x99, 0x66, 0x33]);
  });

  it('resizes only when both sides are given', async () => {
    await convert('a.JPEG 0\n', '--resize_width=4');
    assert.deepEqual((await records())[0].shape, { channels: 3, height: 6, width: 8 });
  });

  it('puts the folder in front of each name as it is', async () => {
    await writeFile(at('list.txt'), 'a.JPEG 0\n');
    const outcome = await runCommand('convert-imageset', [at('images'), at('list.txt'), at('none')]);
    assert.match(outcome.stderr, /imagesa\.JPEG/);
  });

  it('shuffles the same records', async () => {
    const list = Array.from({ length: 40 }, (_, i) => `a.JPEG ${i}\n`).join('');
    await convert(list, '--shuffle');
    const labels = (await records()).map(({ label }) => label);
    assert.notDeepEqual(
      labels,
      labels.toSorted((a, b) => a - b),
    );
    assert.deepEqual(new Set(labels).size, 40);
  });

  it('stores the files themselves, which tell no shape', async () => {
    const outcome = await convert('a.JPEG 7\nwith space.png 8\n', '--encoded');
    assert.equal(outcome.code, 0, outcome.stderr);
    const [first, second] = await records();
    assert.deepEqual(first.data, await readFile(at('images/a.JPEG')));
    assert.deepEqual([first.isEncoded, first.shape.channels, second.label], [true, 0, 8]);
  });

  it('takes all spellings of gflags', async () => {
    const outcome = await convert('a.JPEG 0\n', '-shuffle=false', '--noencoded', '--check_size=true', '-backend=lmdb');
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.equal((await records()).length, 1);
  });

  it('stops at an image of another size with --check_size, leaving no database', async () => {
    const outcome = await convert('a.JPEG 0\nwith space.png 1\n', '--check_size');
    assert.equal(outcome.code, 3);
    assert.match(outcome.stderr, /with space\.png has 300 bytes of pixels, the first image 144/);
    assert.ok(!existsSync(database));
  });

  it('refuses a database that exists', async () => {
    await convert('a.JPEG 0\n');
    const outcome = await runCommand('convert-imageset', [`${at('images')}/`, at('list.txt'), database]);
    assert.equal(outcome.code, 2);
    assert.match(outcome.stderr, /exists; remove it/);
    assert.equal((await records()).length, 1);
  });

  const refused: [string, string[]][] = [
    ['--backend', ['--backend=leveldb']],
    ['--backend', ['--backend=sqlite']],
    ['--gray', ['--gray']],
    ['--encode_type', ['--encode_type=png']],
    ['--encode_type', ['--encoded', '--resize_width=4', '--resize_height=4']],
    ['--check_size', ['--encoded', '--check_size']],
    ['--resize_width', ['--resize_width=wide']],
  ];
  for (const [flag, flags] of refused) {
    it(`refuses ${flags.join(' ')}, naming ${flag}`, async () => {
      const outcome = await convert('a.JPEG 0\n', ...flags);
      assert.equal(outcome.code, 2);
      assert.ok(outcome.stderr.includes(`${flag}:`), outcome.stderr);
      assert.ok(!existsSync(database));
    });
  }
});
