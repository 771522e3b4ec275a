import assert from 'node:assert/strict';
import { appendFile, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { MillraceError } from '../../lib/core/errors.js';
import { decodeImage } from '../../lib/pixels/decode.js';
import { resizeArea } from '../../lib/pixels/resize-area.js';
import { resizeBilinear } from '../../lib/pixels/resize-bilinear.js';
import {
  LABELS_FILE,
  MEAN_FILE,
  MEAN_PICTURE_FILE,
  REJECTED_FILE,
  splitFolder,
  STD_FILE,
} from '../../lib/platform/root-layout.js';
import { decodeBlobProto } from '../../lib/shards/blob-proto.js';
import { openSplit } from '../../lib/shards/split-reader.js';
import { inspectSplit } from '../../workers/inspect.js';
import { convertShare, prepareDataset, type PrepareSettings } from '../../workers/prepare.js';
import { verifySplit } from '../../workers/verify-split.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { digestTree, makeTinyDataset, silentReporter, TINY, tinyJpeg } from '../fixtures/tiny-dataset.js';

const NUM_TRAIN = TINY.numClasses * TINY.trainPerClass;

describe('prepare', () => {
  const root = temporaryFolder();
  let settings: PrepareSettings;
  let folder: string;
  let first: Record<string, string>;
  const as = (name: string, changes: Partial<PrepareSettings> = {}): PrepareSettings => ({
    ...settings,
    name,
    ...changes,
  });

  before(async () => {
    settings = await makeTinyDataset(root.path);
    folder = splitFolder(root.path, 'tiny', 'train');
    const [train, val] = await prepareDataset(settings, false);
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
    assert.deepEqual(await readdir(join(folder, shards[0])), ['data.mdb']);
  });

  it("refuses an archive that is not the catalog's, placed by hand or changed since it was fetched", async () => {
    const archives = settings.dataset.archives.map((archive) => ({ ...archive, md5: '0'.repeat(32) }));
    await assert.rejects(
      prepareDataset(as('wrong', { dataset: { ...settings.dataset, archives } }), false),
      (error: unknown) =>
        error instanceof MillraceError &&
        error.code === 'ERR_VERIFICATION' &&
        /train\.tar has MD5 [0-9a-f]{32} where 0{32} is expected/.test(error.message),
    );
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

  it('says that it is already prepared, touching nothing', async () => {
    const again = await prepareDataset(settings, false);
    assert.ok(
      again.every((split) => split.wasPrepared && split.imagesPerSecond === undefined && split.boundBy === undefined),
    );
    assert.equal(again[0].rejectedReasons['not in the archive'], 1);
    assert.deepEqual(await digestTree(join(root.path, 'datasets', 'tiny')), first);
  });

  it('refuses other options, showing the difference', async () => {
    const plan = { ...settings.plan, size: 20, shuffleSeed: null };
    await assert.rejects(prepareDataset({ ...settings, plan }, false), (error: Error & { code: string }) => {
      assert.equal(error.code, 'ERR_OPTIONS_DIFFER');
      const lines = error.message.split('\n');
      assert.match(lines[0], /datasets\/tiny\/train was made differently:$/);
      assert.deepEqual(lines.slice(1, -1), [
        '               on disk  asked',
        '  size         16       20',
        '  shuffleSeed  0        null',
      ]);
      return true;
    });
  });

  it('smooths and crops when asked to, and refuses to mix that with what is there', async () => {
    const plan = { ...settings.plan, resize: 'area', fit: 'cover' } as const;
    const smooth = as('smooth', { splits: ['val'], plan: { ...plan, shuffleSeed: null } });
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
    await assert.rejects(prepareDataset({ ...settings, plan }, false), {
      code: 'ERR_OPTIONS_DIFFER',
      message: /resize {2}caffe {4}area\n {2}fit {5}exact {4}cover/,
    });
  });

  it('gives the same bytes with one worker, and when machines share the work', async () => {
    await prepareDataset(as('one-worker', { numWorkers: 1 }), false);
    for (const workerIndex of [1, 0, 2]) await convertShare(as('shared'), { workerIndex, workerCount: 3 });
    const [train] = await prepareDataset(as('shared'), false);
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
    await prepareDataset(as('listed', { splits: ['val'], plan: { ...settings.plan, shuffleSeed: null } }), false);
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

  it('stops when more is rejected than allowed, with the first reasons, and goes on once more is allowed', async () => {
    const strict = as('strict', { splits: ['train'], maxRejected: { share: 0, atLeast: 1 } });
    await assert.rejects(prepareDataset(strict, false), {
      code: 'ERR_TOO_MANY_REJECTED',
      message: /2 of 162 images.*\(1\):\n {2}\d+_c/s,
    });
    const [train] = await prepareDataset({ ...strict, maxRejected: settings.maxRejected }, false);
    assert.equal(train.numRejected, 2);
  });

  it('stops in order when interrupted, leaving no temporary folder, and goes on', async () => {
    const controller = new AbortController();
    const reporter = silentReporter();
    const progress = reporter.progress.bind(reporter);
    reporter.progress = (state) => {
      progress(state);
      if (state.done >= 60) controller.abort();
    };
    const cut = as('interrupted', { splits: ['train'], reporter, signal: controller.signal });
    await assert.rejects(prepareDataset(cut, false), { code: 'ERR_INTERRUPTED' });
    const left = await readdir(splitFolder(root.path, 'interrupted', 'train'));
    assert.deepEqual(
      left.filter((name) => !/^shard-\d{5}$/.test(name)),
      [],
    );
    await prepareDataset(as('interrupted', { splits: ['train'] }), false);
    const digests = await digestTree(splitFolder(root.path, 'interrupted', 'train'));
    assert.equal(digests['shard-00006/data.mdb'], first['train/shard-00006/data.mdb']);
    assert.equal(digests[MEAN_FILE], first[`train/${MEAN_FILE}`]);
  });

  it('refuses an archive that has changed since, by its name and digests', async () => {
    const path = join(root.path, 'archives', 'words.txt');
    const words = await readFile(path, 'utf8');
    await writeFile(path, words.replace('second', 'another'));
    try {
      await assert.rejects(prepareDataset(settings, false), {
        code: 'ERR_OPTIONS_DIFFER',
        message: /words\.txt {2}MD5 [0-9a-f]{32} {2}MD5 [0-9a-f]{32}\n/,
      });
    } finally {
      await writeFile(path, words);
    }
    assert.ok((await prepareDataset(settings, false)).every(({ wasPrepared }) => wasPrepared));
  });

  it('makes again only the shards whose records have changed', async () => {
    const listPath = join(root.path, 'archives', 'train.txt');
    const list = await readFile(listPath, 'utf8');
    const plan = { ...settings.plan, shuffleSeed: null };
    const changed = as('changed', { splits: ['train'], plan });
    const numConverted = async (): Promise<number> => convertShare(changed, { workerIndex: 0, workerCount: 1 });
    assert.equal(await numConverted(), NUM_TRAIN + 2);
    assert.equal(await numConverted(), 0);
    // Labels of the last shard alone, then one image more, which goes to the last shard too.
    const relabelled = list.trimEnd().split('\n');
    relabelled.push(relabelled.pop()?.replace(/ 3$/, ' 2') ?? '');
    try {
      await writeFile(listPath, `${relabelled.join('\n')}\n`);
      assert.equal(await numConverted(), (NUM_TRAIN + 2) % TINY.shardSamples);
      await writeFile(listPath, `${relabelled.join('\n')}\nc0/c0_0.JPEG 1\n`);
      assert.equal(await numConverted(), ((NUM_TRAIN + 2) % TINY.shardSamples) + 1);
      const [train] = await prepareDataset(changed, false);
      assert.deepEqual([train.numSamples, train.imagesPerSecond], [NUM_TRAIN + 1, undefined]);
    } finally {
      await writeFile(listPath, list);
    }
    await assert.rejects(prepareDataset(changed, false), { code: 'ERR_OPTIONS_DIFFER', message: /train\.txt {2}MD5/ });
  });

  it('drops shards of an unfinished run with other options', async () => {
    const crumbs = as('recut', { splits: ['val'], plan: { ...settings.plan, shardSamples: 3 } });
    await convertShare(crumbs, { workerIndex: 0, workerCount: 1 });
    await prepareDataset(as('recut', { splits: ['val'] }), false);
    const digests = await digestTree(splitFolder(root.path, 'recut', 'val'));
    assert.equal(digests['shard-00000/data.mdb'], first['val/shard-00000/data.mdb']);
    assert.equal(Object.keys(digests).length, 7);
  });

  it('says what to run when an archive is missing', async () => {
    const archives = settings.dataset.archives.map((archive) => ({ ...archive }));
    const dataset = { ...settings.dataset, archives };
    await rm(join(root.path, 'archives', 'val.txt'));
    try {
      await assert.rejects(prepareDataset(as('missing', { dataset, splits: ['val'] }), false), {
        code: 'ERR_NOT_FOUND',
        message: /val\.txt is not there; run "millrace download tiny" first/,
      });
    } finally {
      const lines = Array.from({ length: TINY.numVal }, (_, i) => `val_${i}.JPEG ${i % TINY.numClasses}\n`);
      await writeFile(join(root.path, 'archives', 'val.txt'), lines.join(''));
    }
  });

  it('refuses an archive that has not the length of the catalog', async () => {
    const archives = settings.dataset.archives.map((archive) => ({ ...archive, bytes: 17 }));
    const dataset = { ...settings.dataset, archives };
    await assert.rejects(prepareDataset(as('short', { dataset }), false), {
      code: 'ERR_VERIFICATION',
      message: /17 are expected/,
    });
  });

  it('counts the samples of each label', async () => {
    const { labelCounts } = await inspectSplit(folder, silentReporter(), settings.signal);
    assert.deepEqual(
      [...labelCounts],
      Array.from({ length: TINY.numClasses }, (_, label) => [label, TINY.trainPerClass]),
    );
  });

  describe('verify', () => {
    const verify = (name: string) =>
      verifySplit(splitFolder(root.path, name, 'val'), {
        root: root.path,
        decodeShare: 0.5,
        reporter: silentReporter(),
        signal: settings.signal,
      });

    it('finds nothing wrong with what was just made', async () => {
      const { problems, numArchives, numSamples, numDecoded } = await verify('tiny');
      assert.deepEqual(problems, []);
      assert.deepEqual([numArchives, numSamples, numDecoded], [3, TINY.numVal, TINY.numVal / 2]);
    });

    it('names every shard and archive that is not what it was', async () => {
      await prepareDataset(as('damaged', { splits: ['val'], plan: { ...settings.plan, shardSamples: 5 } }), false);
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
});
