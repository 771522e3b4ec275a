/** Splits whose images keep their shapes: `--resize none`, `--fit short-side`. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { decodeImage } from '../../lib/pixels/decode.js';
import { toPlanarBgr } from '../../lib/pixels/resize-bilinear.js';
import { createSampleDecoder, type SamplePixels } from '../../lib/pixels/sample-decoder.js';
import { findTurbojpeg } from '../../lib/pixels/turbojpeg.js';
import { MEAN_FILE, MEAN_PICTURE_FILE, splitFolder } from '../../lib/platform/root-layout.js';
import { openAnySplit, openSplit } from '../../lib/shards/split-reader.js';
import { createDatasetStore } from '../../services/batch-server/dataset-store.js';
import { millrace } from '../fixtures/cli.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

/** Width, height. */
const SIZES: readonly (readonly [number, number])[] = [
  [24, 18],
  [18, 24],
  [40, 16],
  [9, 11],
];

describe('a split of images that differ in shape', () => {
  const root = temporaryFolder();
  const prepare = (name: string, ...flags: readonly string[]) =>
    millrace(['prepare', join(root.path, 'mixed.yaml'), '--root', root.path, '--as', name, '--no-shuffle', ...flags]);
  const fileOf = (i: number): string => join(root.path, 'images', 'all', `${i}.jpg`);

  /** Prepares, and checks the channel statistics against the samples, which it returns as they are served. */
  async function samplesOf(name: string, ...flags: readonly string[]): Promise<SamplePixels[]> {
    const { code, stderr } = await prepare(name, ...flags);
    assert.equal(code, 0, stderr);
    const folder = splitFolder(root.path, name, 'train');
    const split = await openAnySplit(folder);
    const { manifest } = split;
    const decode = createSampleDecoder(manifest.options, findTurbojpeg().turbojpeg);
    const stored: Promise<SamplePixels>[] = [];
    split.read([...Array(manifest.numSamples).keys()], (datum, id) => {
      const sample = decode(datum);
      stored[id] = Promise.resolve(sample);
    });
    const samples = await Promise.all(stored);
    await split.close();
    assert.deepEqual([manifest.shape, split.mean], [null, undefined]);
    assert.ok(!existsSync(join(folder, MEAN_FILE)) && !existsSync(join(folder, MEAN_PICTURE_FILE)));
    for (let channel = 0; channel < 3; channel++) {
      const values = samples.flatMap(({ data }) => [
        ...data.subarray((channel * data.length) / 3, ((channel + 1) * data.length) / 3),
      ]);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
      assert.ok(Math.abs(manifest.channelMean[channel] - mean) < 1e-9);
      assert.ok(Math.abs(manifest.channelStd[channel] - Math.sqrt(variance)) < 1e-9);
    }
    return samples;
  }

  before(async () => {
    await mkdir(join(root.path, 'images', 'all'), { recursive: true });
    for (const [i, [width, height]] of SIZES.entries()) {
      const pixels = Buffer.from(Array.from({ length: width * height * 3 }, (_, at) => (at * (i + 3)) & 255));
      await sharp(pixels, { raw: { width, height, channels: 3 } })
        .jpeg()
        .toFile(fileOf(i));
    }
    await writeFile(
      join(root.path, 'mixed.yaml'),
      'name: mixed\nabout: mixed\narchives: [{ file: pictures, folder: images }]\n' +
        'splits: { train: { archive: pictures, labels: { from: folder } } }\n',
    );
  });

  it('none, originals: the files, and their pixels as they are', async () => {
    const samples = await samplesOf('as-is', '--resize', 'none', '--record', 'original');
    assert.deepEqual(
      samples,
      await Promise.all(
        SIZES.map(async ([width, height], i) => ({
          shape: { width, height, channels: 3 },
          data: toPlanarBgr(await decodeImage(await readFile(fileOf(i)))),
        })),
      ),
    );
  });

  for (const record of ['jpeg', 'original']) {
    it(`short-side, ${record}: each image in its shape, as small as the size allows`, async () => {
      const flags = ['--resize', 'area', '--fit', 'short-side', '--size', '16', '--record', record];
      const samples = await samplesOf(`short-${record}`, ...flags);
      assert.deepEqual(
        samples.map(({ shape }) => [shape.width, shape.height]),
        [
          [21, 16],
          [16, 21],
          [40, 16],
          [16, 19],
        ],
      );
    });
  }

  it('can be inspected, drawn and verified', async () => {
    const sheet = join(root.path, 'sheet.png');
    const inspected = await millrace(['inspect', 'short-jpeg', '--root', root.path, '--sheet', sheet]);
    assert.equal(inspected.code, 0, inspected.stderr);
    assert.match(inspected.stdout, /JPEG of quality 95, of many shapes: area resize, short-side fit of 16/);
    assert.ok(existsSync(sheet));
    const verified = await millrace(['verify', 'as-is', '--root', root.path]);
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  });

  it('is not offered by a batch server, and refused with what to do when asked for', async () => {
    await prepare('square', '--size', '16');
    const store = createDatasetStore(root.path);
    try {
      assert.deepEqual(
        (await store.list()).map(({ dataset }) => dataset),
        ['square'],
      );
      const refusal = { code: 'ERR_OPTIONS_DIFFER', message: /as-is\/train .*differ in shape.*--fit exact or cover/ };
      await assert.rejects(store.acquire('as-is', 'train'), refusal);
      await assert.rejects(openSplit(splitFolder(root.path, 'as-is', 'train')), refusal);
    } finally {
      await store.close();
    }
  });

  for (const [flag, flags] of [
    ['--record', ['--resize', 'none']],
    ['--record', ['--fit', 'short-side', '--record', 'mixed:0.5']],
    ['--size', ['--resize', 'none', '--record', 'original', '--size', '16']],
    ['--fit', ['--resize', 'none', '--record', 'original', '--fit', 'cover']],
    ['--decode-scale', ['--decode-scale']],
  ] as const) {
    it(`refuses ${flags.join(' ')}, naming ${flag}`, async () => {
      const { code, stderr } = await prepare('refused', ...flags);
      assert.equal(code, 2);
      assert.ok(stderr.includes(`${flag}: `), stderr);
    });
  }
});
