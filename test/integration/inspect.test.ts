import assert from 'node:assert/strict';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { splitFolder } from '../../lib/platform/root-layout.js';
import { encodeFileDatum, encodeRawDatum } from '../../lib/shards/datum.js';
import { createShardWriter } from '../../lib/shards/shard-writer.js';
import { drawShardSheet, drawSplitSheet } from '../../workers/contact-sheet.js';
import { inspectSplit } from '../../workers/inspect.js';
import { prepareDataset } from '../../workers/prepare.js';
import { lastJsonLine, millrace } from '../fixtures/cli.js';
import { fixtureLabel, fixturePixels, makeSplit } from '../fixtures/split.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { makeTinyDataset, silentReporter, TINY } from '../fixtures/tiny-dataset.js';

const SHAPE = { height: 160, width: 160, channels: 3 };
const NUM_SAMPLES = 12;
/** Of tiles in a sheet: 160 pixels and a gap of 4. */
const STEP = 164;

describe('inspect', () => {
  const root = temporaryFolder();
  const { signal } = new AbortController();
  const noise = (): string => splitFolder(root.path, 'noise', 'train');
  const at = (name: string): string => join(root.path, name);
  before(async () => {
    for (const split of ['train', 'val']) {
      await makeSplit(root.path, { dataset: 'noise', split, numSamples: NUM_SAMPLES, shape: SHAPE, shardSamples: 5 });
    }
  });

  it('tells what prepare counted without looking at any record', async () => {
    const settings = await makeTinyDataset(root.path);
    await prepareDataset({ ...settings, splits: ['train'] }, false);
    const folder = splitFolder(root.path, 'tiny', 'train');
    for (let shard = 0; shard < 7; shard++) await rm(join(folder, `shard-0000${shard}`), { recursive: true });
    const { labelCounts } = await inspectSplit(folder, silentReporter(), signal);
    assert.deepEqual(
      [...labelCounts],
      [0, 1, 2, 3].map((label) => [label, TINY.trainPerClass]),
    );
  });

  it('counts the records where the manifest does not', async () => {
    const { manifest, labelCounts } = await inspectSplit(noise(), silentReporter(), signal);
    assert.equal(manifest.classCounts, undefined);
    assert.deepEqual(
      [...labelCounts],
      Array.from({ length: 10 }, (_, label) => [label, label < 2 ? 2 : 1]),
    );
  });

  it('draws every sample once, in rows, in its own pixels', async () => {
    const { png, columns, samples } = await drawSplitSheet(noise(), { count: 100, seed: 0 });
    assert.equal(columns, 4);
    assert.deepEqual(
      samples,
      Array.from({ length: NUM_SAMPLES }, (_, sampleId) => ({
        sampleId,
        key: `${String(sampleId).padStart(8, '0')}_image${sampleId}.JPEG`,
        label: fixtureLabel(sampleId),
      })),
    );
    const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
    assert.deepEqual([info.width, info.height, info.channels], [4 + 4 * STEP, 4 + 3 * STEP, 3]);
    const plane = SHAPE.height * SHAPE.width;
    for (const { sampleId } of samples) {
      const pixels = fixturePixels(SHAPE, sampleId);
      const [left, top] = [4 + (sampleId % 4) * STEP, 4 + Math.floor(sampleId / 4) * STEP];
      for (let i = 0; i < plane; i += 37) {
        const place = ((top + Math.floor(i / SHAPE.width)) * info.width + left + (i % SHAPE.width)) * 3;
        const bgr = [2, 1, 0].map((channel) => data[place + channel]);
        assert.deepEqual(bgr, [pixels[i], pixels[plane + i], pixels[2 * plane + i]], `pixel ${i} of ${sampleId}`);
      }
    }
  });

  it('draws the same samples by the same seed, and others by another', async () => {
    const idsBy = async (seed: number): Promise<number[]> =>
      (await drawSplitSheet(noise(), { count: 4, seed })).samples.map(({ sampleId }) => sampleId);
    const ids = await idsBy(1);
    assert.equal(new Set(ids).size, 4);
    assert.deepEqual(await idsBy(1), ids);
    assert.notDeepEqual(await idsBy(2), ids);
  });

  it('draws records that are image files, of any shape', async () => {
    const shard = at('files');
    const writer = await createShardWriter(shard, 2, 10_000);
    const red = await sharp({ create: { width: 80, height: 20, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    writer.add(Buffer.from('00000000_red'), encodeFileDatum(red, 7));
    await writer.finish();
    await writer.commit();
    const { png, samples } = await drawShardSheet(shard, { count: 5, seed: 0 });
    assert.deepEqual(samples, [{ sampleId: 0, key: '00000000_red', label: 7 }]);
    const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
    assert.deepEqual([info.width, info.height], [168, 168]);
    const pixelAt = (x: number, y: number): number[] => [...data.subarray((y * 168 + x) * 3, (y * 168 + x) * 3 + 3)];
    assert.deepEqual(
      [pixelAt(84, 84), pixelAt(5, 65), pixelAt(84, 20)],
      [
        [255, 0, 0],
        [255, 0, 0],
        [32, 32, 32],
      ],
    );
  });

  it('has nothing to draw of an empty shard', async () => {
    const writer = await createShardWriter(at('empty'), 1, 100);
    await writer.finish();
    await writer.commit();
    await assert.rejects(drawShardSheet(at('empty'), { count: 1, seed: 0 }), { code: 'ERR_NOT_FOUND' });
  });

  it('refuses to draw what has two channels', async () => {
    const shape = { height: 1, width: 2, channels: 2 };
    const writer = await createShardWriter(at('flow'), 1, 100);
    writer.add(Buffer.from('00000000_flow'), encodeRawDatum(shape, Uint8Array.of(1, 2, 3, 4), 0));
    await writer.finish();
    await writer.commit();
    await assert.rejects(drawShardSheet(at('flow'), { count: 1, seed: 0 }), {
      code: 'ERR_IMAGE_UNREADABLE',
      message: /expected the pixels of 1 or 3 channels .*, got 4 values of 2×1×2/,
    });
  });

  it('as a command writes the sheet and lists its labels in order', async () => {
    const sheet = at('sheet.png');
    const flags = ['--split', 'train', '--root', root.path, '--sheet', sheet, '--count', '3', '--seed', '5'];
    const outcome = await millrace(['inspect', 'noise', ...flags]);
    assert.equal(outcome.code, 0, outcome.stderr);
    const drawn = await drawSplitSheet(noise(), { count: 3, seed: 5 });
    assert.deepEqual(await readFile(sheet), drawn.png);
    const listed = [...outcome.stdout.matchAll(/row (\d), (\d) +(\d) {2}class (\d) {2}\((.*)\)/g)];
    assert.deepEqual(
      listed.map(([, row, column, label, name, key]) => [row, column, label, name, key].join(' ')),
      drawn.samples.map(({ key, label }, i) => [[1, 1, 2][i], [1, 2, 1][i], label, label, key].join(' ')),
    );
    const json = lastJsonLine(await millrace(['inspect', 'noise', ...flags, '--json']));
    assert.deepEqual(json['sheet'], { path: sheet, columns: 2, samples: drawn.samples });
  });

  it('as a command draws one split only', async () => {
    const outcome = await millrace(['inspect', 'noise', '--root', root.path, '--sheet', at('x.png')]);
    assert.equal(outcome.code, 2, outcome.stderr);
    assert.match(outcome.stderr, /--split: expected one of train, val to draw a sheet of, got "all"/);
  });
});
