/** `--record`: each form is stored as asked, and served as the pixels that the manifest and the mean speak of. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSampleDecoder } from '../../lib/pixels/sample-decoder.js';
import { findTurbojpeg } from '../../lib/pixels/turbojpeg.js';
import { splitFolder } from '../../lib/platform/root-layout.js';
import type { PrepareOptions } from '../../lib/shards/manifest.js';
import { openSplit } from '../../lib/shards/split-reader.js';
import { prepareDataset, type PrepareSettings } from '../../workers/prepare.js';
import { millrace } from '../fixtures/cli.js';
import { runPython } from '../fixtures/run-command.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { prepareTiny } from '../fixtures/tiny-command.js';
import { digestTree, makeTinyDataset, TINY, TINY_YAML, tinyJpeg } from '../fixtures/tiny-dataset.js';

interface Stored {
  readonly key: string;
  readonly isEncoded: boolean;
  readonly data: Buffer;
  /** As served. */
  readonly pixels: Buffer;
}

/** OpenCV's imencode of planar pixels, in base64. */
const ENCODE = `
import base64, cv2, json, numpy, sys
size, quality = int(sys.argv[1]), int(sys.argv[2])
encoded = []
for text in json.load(open(sys.argv[3])):
    pixels = numpy.frombuffer(base64.b64decode(text), numpy.uint8).reshape(3, size, size).transpose(1, 2, 0)
    encoded.append(base64.b64encode(cv2.imencode('.jpg', pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]).decode())
print(json.dumps(encoded))
`;

describe('record forms', () => {
  const root = temporaryFolder();
  const { turbojpeg } = findTurbojpeg();
  let settings: PrepareSettings;
  let raw: Stored[];

  async function prepare(name: string, plan: Partial<PrepareOptions>): Promise<Stored[]> {
    await prepareDataset({ ...settings, name, splits: ['val'], plan: { ...settings.plan, ...plan } }, false);
    return storedIn(name);
  }

  async function storedIn(name: string): Promise<Stored[]> {
    const split = await openSplit(splitFolder(root.path, name, 'val'));
    const stored: Stored[] = [];
    try {
      const { manifest } = split;
      const decode = createSampleDecoder(manifest.options, turbojpeg);
      const copies: Omit<Stored, 'pixels'>[] = [];
      split.read([...Array(manifest.numSamples).keys()], ({ data, isEncoded }, id) => {
        copies[id] = { key: split.keyOf(id), isEncoded, data: Buffer.from(data) };
      });
      const sums = new Float64Array(3 * TINY.size ** 2);
      for (const copy of copies) {
        const { shape, data } = await decode({ ...copy, shape: manifest.shape });
        assert.deepEqual(shape, manifest.shape);
        data.forEach((value, i) => (sums[i] += value));
        stored.push({ ...copy, pixels: Buffer.from(data) });
      }
      const mean = Float32Array.from(sums, (sum) => sum / copies.length);
      assert.deepEqual(split.mean.data, mean, 'the mean is over what is served');
    } finally {
      await split.close();
    }
    return stored;
  }

  before(async () => {
    settings = await makeTinyDataset(root.path);
    raw = await prepare('raw', {});
    assert.ok(raw.every(({ isEncoded }) => !isEncoded));
  });

  for (const quality of [95, 60]) {
    it(`jpeg: stores OpenCV’s own JPEG of the raw pixels at quality ${quality}`, async () => {
      const stored = await prepare(`jpeg-${quality}`, { record: 'jpeg', quality });
      const path = join(root.path, 'pixels.json');
      await writeFile(path, JSON.stringify(raw.map(({ pixels }) => pixels.toString('base64'))));
      const theirs = JSON.parse(await runPython(ENCODE, [String(TINY.size), String(quality), path])) as string[];
      assert.deepEqual(
        stored.map(({ key, isEncoded, data }) => [key, isEncoded, data.toString('base64')]),
        raw.map(({ key }, i) => [key, true, theirs[i]]),
      );
    });
  }

  for (const resize of ['caffe', 'area'] as const) {
    it(`original: stores the files, and serves the pixels that raw would have, resized by ${resize}`, async () => {
      const plan = { resize, fit: 'cover' } as const;
      const pixels = await prepare(`raw-${resize}`, plan);
      const stored = await prepare(`original-${resize}`, { ...plan, record: 'original' });
      assert.deepEqual(
        stored.map((sample) => [sample.key, sample.pixels]),
        pixels.map((sample) => [sample.key, sample.pixels]),
      );
      for (const { key, isEncoded, data } of stored) {
        assert.ok(isEncoded);
        assert.deepEqual(data, await tinyJpeg(90_000 + Number(/val_(\d+)/.exec(key)?.[1])));
      }
    });
  }

  it('mixed: stores about that share raw, the same records each time, the rest as JPEG', async () => {
    const jpeg = await prepare('all-jpeg', { record: 'jpeg', quality: 95 });
    const mixed = await prepare('mixed', { record: 'mixed', rawShare: 0.5, quality: 95 });
    const numRaw = mixed.filter(({ isEncoded }) => !isEncoded).length;
    assert.ok(numRaw >= 5 && numRaw <= 15, `${numRaw} of ${TINY.numVal}`);
    mixed.forEach(({ isEncoded, data }, i) => assert.deepEqual(data, (isEncoded ? jpeg : raw)[i].data));
    const again = { ...settings, name: 'again', splits: ['val'], numWorkers: 1 };
    await prepareDataset(
      { ...again, plan: { ...settings.plan, record: 'mixed', rawShare: 0.5, quality: 95, shardSamples: 7 } },
      false,
    );
    assert.deepEqual(
      (await storedIn('again')).map(({ data }) => data),
      mixed.map(({ data }) => data),
    );
  });

  it('mixed with a share of 0 or 1 is jpeg or raw', async () => {
    const none = await prepare('none', { record: 'mixed', rawShare: 0, quality: 95 });
    assert.ok(none.every(({ isEncoded }) => isEncoded));
    assert.deepEqual(await prepare('all', { record: 'mixed', rawShare: 1, quality: 95 }), raw);
  });

  describe('as flags', () => {
    const run = (...flags: readonly string[]) => prepareTiny(root.path, 'val', ...flags);
    before(() => writeFile(join(root.path, 'tiny.yaml'), TINY_YAML));

    it('come to the same split as the options, and are refused when they differ from what is there', async () => {
      const flags = ['--record', 'mixed:50%', '--as', 'by-flags', '--shard-samples', '25'];
      const { code, stderr } = await run(...flags);
      assert.equal(code, 0, stderr);
      const [ours, theirs] = await Promise.all(
        ['by-flags', 'mixed'].map((name) => digestTree(splitFolder(root.path, name, 'val'))),
      );
      assert.equal(ours['shard-00000/data.mdb'], theirs['shard-00000/data.mdb']);
      const other = await run('--as', 'by-flags', '--record', 'jpeg', '--quality', '90', '--shard-samples', '25');
      assert.equal(other.code, 1);
      assert.match(other.stderr, /record +mixed +jpeg/);
      assert.match(other.stderr, /quality +95 +90/);
      assert.match(other.stderr, /rawShare +0\.5 +none/);
    });

    it('make the same bytes without libturbojpeg', async () => {
      const flags = ['--record', 'jpeg', '--as', 'by-sharp', '--shard-samples', '25'];
      const { code, stderr } = await millrace(
        ['prepare', join(root.path, 'tiny.yaml'), '--root', root.path, '--size', '16', '--split', 'val', ...flags],
        { MILLRACE_TURBOJPEG: 'none' },
      );
      assert.equal(code, 0, stderr);
      const [ours, theirs] = await Promise.all(
        ['by-sharp', 'all-jpeg'].map((name) => digestTree(splitFolder(root.path, name, 'val'))),
      );
      assert.equal(ours['shard-00000/data.mdb'], theirs['shard-00000/data.mdb']);
    });

    it('draws a contact sheet of originals and tells their form', async () => {
      const { code, stdout, stderr } = await millrace([
        'inspect',
        'original-area',
        '--root',
        root.path,
        '--sheet',
        join(root.path, 'sheet.png'),
      ]);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /form {6}original files, served as 3×16×16: area resize, cover fit/);
      assert.equal((await millrace(['verify', 'original-area', '--root', root.path])).code, 0);
    });

    for (const [flag, flags] of [
      ['--record', ['--record', 'png']],
      ['--record', ['--record', 'mixed']],
      ['--record', ['--record', 'mixed:2']],
      ['--quality', ['--record', 'jpeg', '--quality', '0']],
      ['--quality', ['--quality', '90']],
    ] as const) {
      it(`refuses ${flags.join(' ')}, naming ${flag}`, async () => {
        const { code, stderr } = await run(...flags);
        assert.equal(code, 2);
        assert.match(stderr, new RegExp(`${flag}: `));
      });
    }
  });
});
