/** What `prepare` makes. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { decodeImage } from '../../lib/pixels/decode.js';
import { resizeArea } from '../../lib/pixels/resize-area.js';
import { resizeBilinear } from '../../lib/pixels/resize-bilinear.js';
import {
  LABELS_FILE,
  MEAN_FILE,
  MEAN_PICTURE_FILE,
  PIXEL_SUMS_FILE,
  REJECTED_FILE,
  SHARD_RECORD_FILE,
  splitFolder,
  STD_FILE,
} from '../../lib/platform/root-layout.js';
import { decodeBlobProto } from '../../lib/shards/blob-proto.js';
import { openSplit } from '../../lib/shards/split-reader.js';
import { inspectSplit } from '../../workers/inspect.js';
import { convertShare, prepareDataset } from '../../workers/prepare.js';
import { digestTree, silentReporter, TINY, tinyJpeg } from '../fixtures/tiny-dataset.js';
import { tinyRoot } from '../fixtures/tiny-root.js';

const NUM_TRAIN = TINY.numClasses * TINY.trainPerClass;

describe('prepare', () => {
  const root = tinyRoot();
  let folder: string;
  let first: Record<string, string>;

  before(async () => {
    folder = splitFolder(root.path, 'tiny', 'train');
    const [train, val] = await prepareDataset(root.settings, false);
    first = await digestTree(join(root.path, 'datasets', 'tiny'));
    assert.deepEqual(
      [train.wasPrepared, train.numSamples, train.numRejected, train.numShards, val.numSamples, val.numShards],
      [false, NUM_TRAIN, 2, 7, TINY.numVal, 1],
    );
  });

  it('leaves shards, mean, list of rejected and manifest, and nothing else', async () => {
    const names = await readdir(folder);
    const shards = Array.from({ length: 7 }, (_, i) => `shard-0000${i}`);
    const files = ['manifest.json', LABELS_FILE, MEAN_FILE, MEAN_PICTURE_FILE, REJECTED_FILE, STD_FILE];
    assert.deepEqual(names.sort(), [...files, ...shards].sort());
    assert.deepEqual((await readdir(join(folder, shards[0]))).sort(), ['data.mdb', PIXEL_SUMS_FILE, SHARD_RECORD_FILE]);
  });

  it('names each rejected image with its reason', async () => {
    const lines = (await readFile(join(folder, REJECTED_FILE), 'utf8')).trim().split('\n');
    const rejected = lines.map((line) => JSON.parse(line) as { archive: string; key: string; reason: string });
    const reasons = new Map(rejected.map(({ key, reason }) => [key.slice(9), reason]));
    assert.equal(reasons.get('c0/c0_missing.JPEG'), 'not in the archive');
    assert.match(reasons.get('c1/c1_text.JPEG') ?? '', /unsupported image format/);
    assert.ok(rejected.every(({ archive }) => archive === 'train.tar'));
  });

  it('stores each listed image once, with its label and the pixels of decode and resize', async () => {
    const split = await openSplit(folder);
    try {
      const names = new Set<string>();
      const pixels = new Map<string, Uint8Array>();
      split.read(
        Array.from({ length: NUM_TRAIN }, (_, id) => id),
        ({ label, data }, id) => {
          const name = split.keyOf(id).slice(9);
          assert.equal(label, Number(name[1]));
          names.add(name);
          pixels.set(name, Uint8Array.from(data));
        },
      );
      assert.equal(names.size, NUM_TRAIN);
      const expected = resizeBilinear(await decodeImage(await tinyJpeg(2007)), TINY.size, TINY.size);
      assert.deepEqual(pixels.get('c2/c2_7.JPEG'), expected);
    } finally {
      await split.close();
    }
  });

  it('makes mean and deviation of exactly the stored pixels', async () => {
    const split = await openSplit(folder);
    try {
      const sums = new Float64Array(3 * TINY.size ** 2);
      const squares = sums.slice();
      split.read(
        Array.from({ length: NUM_TRAIN }, (_, id) => id),
        ({ data }) => {
          data.forEach((value, i) => {
            sums[i] += value;
            squares[i] += value ** 2;
          });
        },
      );
      assert.deepEqual(
        split.mean.data,
        Float32Array.from(sums, (sum) => sum / NUM_TRAIN),
      );
      const path = join(folder, STD_FILE);
      assert.deepEqual(
        decodeBlobProto(await readFile(path), path).data,
        Float32Array.from(sums, (sum, i) => Math.sqrt(squares[i] / NUM_TRAIN - (sum / NUM_TRAIN) ** 2)),
      );
    } finally {
      await split.close();
    }
  });

  it('draws the mean', async () => {
    const { data, info } = await sharp(join(folder, MEAN_PICTURE_FILE)).raw().toBuffer({ resolveWithObject: true });
    assert.deepEqual([info.width, info.height, info.channels], [TINY.size, TINY.size, 3]);
    const split = await openSplit(folder);
    await split.close();
    const plane = TINY.size ** 2;
    for (const [channel, inMean] of [2, 1, 0].entries()) {
      const off = Array.from({ length: plane }, (_, i) =>
        Math.abs(data[i * 3 + channel] - split.mean.data[inMean * plane + i]),
      );
      assert.ok(Math.max(...off) <= 0.5, `channel ${channel}`);
    }
  });

  it('counts the samples of each label', async () => {
    const { labelCounts } = await inspectSplit(folder, silentReporter(), root.settings.signal);
    assert.deepEqual(
      [...labelCounts],
      Array.from({ length: TINY.numClasses }, (_, label) => [label, TINY.trainPerClass]),
    );
  });

  it('smooths and crops when asked to, and refuses to mix that with what is there', async () => {
    const plan = { ...root.settings.plan, resize: 'area', fit: 'cover' } as const;
    const smooth = root.as('smooth', { splits: ['val'], plan: { ...plan, shuffleSeed: null } });
    await prepareDataset(smooth, false);
    const split = await openSplit(splitFolder(root.path, 'smooth', 'val'));
    let pixels = new Uint8Array();
    split.read([3], ({ data }) => (pixels = Uint8Array.from(data)));
    await split.close();
    // 24 × 18 leaves the middle 18 × 18.
    const square = await sharp(await tinyJpeg(90_003))
      .extract({ left: 3, top: 0, width: 18, height: 18 })
      .raw()
      .toBuffer();
    assert.deepEqual(pixels, resizeArea({ data: square, width: 18, height: 18 }, TINY.size, TINY.size));
    await assert.rejects(prepareDataset({ ...root.settings, plan }, false), {
      code: 'ERR_OPTIONS_DIFFER',
      message: /resize {2}caffe {4}area\n {2}fit {5}exact {4}cover/,
    });
  });

  it('gives the same bytes with one worker, and when machines share the work', async () => {
    await prepareDataset(root.as('one-worker', { numWorkers: 1 }), false);
    for (const workerIndex of [1, 0, 2]) await convertShare(root.as('shared'), { workerIndex, workerCount: 3 });
    const [train] = await prepareDataset(root.as('shared'), false);
    assert.equal(train.imagesPerSecond, undefined, 'all shards were there');
    assert.equal(train.stageShares, undefined);
    for (const name of ['one-worker', 'shared']) {
      const digests = await digestTree(join(root.path, 'datasets', name));
      const isManifest = (path: string): boolean => path.endsWith('manifest.json');
      for (const [path, digest] of Object.entries(first))
        if (!isManifest(path)) assert.equal(digests[path], digest, path);
      const manifest = await readFile(join(root.path, 'datasets', name, 'train', 'manifest.json'), 'utf8');
      assert.equal(manifest.replace(`"${name}"`, '"tiny"'), await readFile(join(folder, 'manifest.json'), 'utf8'));
    }
  });

  it('keeps the order of the list when asked to', async () => {
    await prepareDataset(
      root.as('listed', { splits: ['val'], plan: { ...root.settings.plan, shuffleSeed: null } }),
      false,
    );
    const split = await openSplit(splitFolder(root.path, 'listed', 'val'));
    try {
      const keys = Array.from({ length: 12 }, (_, id) => split.keyOf(id));
      assert.deepEqual(
        keys,
        Array.from({ length: 12 }, (_, i) => `${String(i).padStart(8, '0')}_val_${i}.JPEG`),
      );
    } finally {
      await split.close();
    }
  });
});
