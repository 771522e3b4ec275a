import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { encodeRawDatum, type Datum } from '../../lib/shards/datum.js';
import { openShard } from '../../lib/shards/shard-reader.js';
import { runCommand, runPython } from '../fixtures/run-command.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

interface StoredRecord extends Pick<Datum, 'label' | 'shape' | 'isEncoded'> {
  readonly key: string;
  readonly data: Buffer;
}

/** What Caffe makes of a file when it encodes it anew, in base64. */
const ENCODE = `
import base64, cv2, sys
print(base64.b64encode(cv2.imencode('.jpeg', cv2.imread(sys.argv[1]))[1]).decode())
`;

/** Height, width and pixels in base64 of grey images. */
const GREY = `
import base64, cv2, json, sys
cv2.ipp.setUseIPP(False)
width, height = int(sys.argv[1]), int(sys.argv[2])
images = [cv2.imread(path, cv2.IMREAD_GRAYSCALE) for path in sys.argv[3:]]
if width > 0: images = [cv2.resize(image, (width, height)) for image in images]
print(json.dumps([[*image.shape, base64.b64encode(image.tobytes()).decode()] for image in images]))
`;

/** Keys and values in base64, by the library that plyvel has in it. */
const READ_LEVELDB = `
import base64, json, plyvel, sys
database = plyvel.DB(sys.argv[1])
print(json.dumps([[key.decode(), base64.b64encode(value).decode()] for key, value in database]))
`;

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
    const bytes = Buffer.from(Array.from({ length: 30 * 21 * 3 }, (_, i) => (i * 37 + (i >> 5) * 11) & 255));
    const noise = sharp(bytes, { raw: { width: 30, height: 21, channels: 3 } });
    await noise.clone().jpeg().toFile(at('images/noise.jpg'));
    for (const orientation of [5, 8]) {
      await noise
        .clone()
        .jpeg()
        .withMetadata({ orientation })
        .toFile(at(`images/turned-${orientation}.jpg`));
    }
    await noise.clone().png().toFile(at('images/noise.png'));
    await noise.toColourspace('b-w').png().toFile(at('images/grey.png'));
  });

  it('stores resized pixels under Caffe’s keys, with a gap for what cannot be read, and ends with 0', async () => {
    const outcome = await convert(
      'with space.png 3\r\nmissing.jpg 1\n\ntext.jpg 2\na.JPEG -1\nwith space.png abc\n',
      '--resize_width=4',
      '-resize_height',
      '5',
    );
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.match(outcome.stderr, /Could not open or find file .*missing\.jpg \(no such file or directory\)\n/);
    assert.match(outcome.stdout, /^.*: 3 of 6 images stored\n$/);
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

  it('says what may be wrong where no file is found because <rootfolder> does not end', async () => {
    await writeFile(at('list.txt'), 'a.JPEG 0\n');
    const { code, stdout } = await runCommand('convert-imageset', [at('images'), at('list.txt'), at('glued_lmdb')]);
    assert.equal(code, 0);
    assert.match(stdout, /: 0 of 1 images stored; .*does it lack its final "\/"\?\n$/);
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
    const outcome = await convert('a.JPEG 7\nwith space.png 8\n', '--encode_type=JPG');
    assert.equal(outcome.code, 0, outcome.stderr);
    const [first, second] = await records();
    assert.deepEqual(first.data, await readFile(at('images/a.JPEG')));
    assert.deepEqual([first.isEncoded, first.shape.channels, second.label], [true, 0, 8]);
    assert.equal((await sharp(second.data).metadata()).format, 'jpeg');
  });

  it('encodes everything anew when the type is guessed from names, as Caffe does by mistake', async () => {
    await convert('a.JPEG 7\nwith space.png 8\n', '--encoded');
    const [first, second] = await records();
    assert.equal(first.data.toString('base64'), (await runPython(ENCODE, [at('images/a.JPEG')])).trim());
    assert.equal((await sharp(second.data).metadata()).format, 'png');
    assert.deepEqual(
      await sharp(second.data).raw().toBuffer(),
      await sharp(at('images/with space.png')).raw().toBuffer(),
    );
  });

  it('encodes resized pixels as PNG without loss', async () => {
    const size = ['--resize_width=4', '--resize_height=5'];
    await convert('noise.jpg 0\n', ...size);
    const [{ data: planar }] = await records();
    await convert('noise.jpg 0\n', ...size, '--encode_type=png');
    const interleaved = await sharp((await records())[0].data)
      .raw()
      .toBuffer();
    const plane = 20;
    assert.deepEqual(
      [...interleaved],
      Array.from({ length: 3 * plane }, (_, i) => planar[(2 - (i % 3)) * plane + Math.floor(i / 3)]),
    );
  });

  for (const size of [[], ['--resize_width=9', '--resize_height=7']]) {
    it(`stores the pixels of OpenCV’s grey images with --gray ${size.join(' ')}`, async () => {
      const names = ['noise.jpg', 'turned-5.jpg', 'turned-8.jpg', 'noise.png', 'grey.png', 'a.JPEG'];
      await convert(names.map((name) => `${name} 0\n`).join(''), '--gray', ...size);
      const [width, height] = size.length === 0 ? ['0', '0'] : ['9', '7'];
      const paths = names.map((name) => at(`images/${name}`));
      const theirs = JSON.parse(await runPython(GREY, [width, height, ...paths])) as [number, number, string][];
      assert.deepEqual(
        (await records()).map(({ shape, data }) => [
          shape.channels,
          shape.height,
          shape.width,
          data.toString('base64'),
        ]),
        theirs.map((image) => [1, ...image]),
      );
    });
  }

  it('encodes grey pixels in one channel', async () => {
    await convert('noise.jpg 0\nnoise.png 1\n', '--gray', '--encode_type=jpeg');
    for (const { data } of await records()) assert.equal((await sharp(data).metadata()).channels, 1);
  });

  it('makes a LevelDB that another LevelDB reads, gap and label included, and whose mean can be taken', async () => {
    const list = 'a.JPEG 3\nmissing.jpg 1\na.JPEG -2\n';
    assert.equal((await convert(list, '--backend=leveldb')).code, 0);
    const leveldb = database;
    await convert(list);
    const expected = (await records()).map(({ key, label, shape, data }) => [key, encodeRawDatum(shape, data, label)]);
    const read = JSON.parse(await runPython(READ_LEVELDB, [leveldb])) as [string, string][];
    assert.deepEqual(
      read.map(([key, value]) => [key, Buffer.from(value, 'base64')]),
      expected,
    );
    const means = await Promise.all([
      runCommand('compute-image-mean', ['--backend=leveldb', leveldb]),
      runCommand('compute-image-mean', [database]),
    ]);
    assert.equal(means[0].code, 0, means[0].stderr);
    assert.equal(means[0].stdout, means[1].stdout);
  });

  it('writes more than one batch of a LevelDB', async () => {
    await convert(Array.from({ length: 2050 }, (_, i) => `a.JPEG ${i}\n`).join(''), '--backend=leveldb');
    const read = JSON.parse(await runPython(READ_LEVELDB, [database])) as [string, string][];
    assert.equal(read.length, 2050);
    assert.equal(read[2049][0], '00002049_a.JPEG');
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
    ['--backend', ['--backend=sqlite']],
    ['--encode_type', ['--encode_type=bmp']],
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
