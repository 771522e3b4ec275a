import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { extract } from 'tar-stream';
import type { Dataset } from '../../../../lib/catalog/dataset-schema.js';
import { parseClassNames, parseList } from '../../../../lib/core/image-list.js';
import { FIGURE_CLASSES } from '../../../../services/archive-server/sample/figures.js';
import { drawPicture } from '../../../../services/archive-server/sample/picture.js';
import { makeSampleArchives, NUM_TRAIN, NUM_VAL } from '../../../../services/archive-server/sample/sample-archives.js';
import { listeningReporter } from '../../../fixtures/download-run.js';
import { md5Of } from '../../../fixtures/odd-server.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

async function membersOf(tar: Buffer): Promise<Map<string, Buffer>> {
  const members = new Map<string, Buffer>();
  for await (const entry of Readable.from([tar]).pipe(extract())) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    members.set(entry.header.name, Buffer.concat(chunks));
  }
  return members;
}

const isJpeg = (bytes: Buffer): boolean => bytes.readUInt16BE(0) === 0xffd8;

describe('the sample', () => {
  const folder = temporaryFolder();
  let dataset: Dataset;
  const read = (file: string): Buffer => readFileSync(join(folder.path, file));

  before(async () => {
    dataset = await makeSampleArchives(folder.path, { reporter: listeningReporter() });
  });

  it('is described by its dataset file: lengths, digests, no URLs', () => {
    assert.deepEqual(JSON.parse(read('dataset.json').toString()), dataset);
    for (const { file, bytes, md5, urls } of dataset.archives) {
      assert.equal(bytes, statSync(join(folder.path, file)).size);
      assert.equal(md5, md5Of(read(file)));
      assert.deepEqual(urls, []);
    }
  });

  it('has a train archive that is a tar of class tars, with every file of the list and its label', async () => {
    const classes = parseClassNames(read('sample_synset_words.txt').toString());
    assert.deepEqual(
      classes.map(({ name }) => name),
      FIGURE_CLASSES.map(({ name }) => name),
    );
    const found: string[] = [];
    let numJpegs = 0;
    for (const [name, tar] of await membersOf(read('sample_img_train.tar'))) {
      const id = name.replace('.tar', '');
      const label = classes.findIndex((candidate) => candidate.id === id);
      for (const [member, bytes] of await membersOf(tar)) {
        found.push(`${id}/${member} ${label}`);
        if (isJpeg(bytes) && bytes.length > 20) numJpegs++;
      }
    }
    assert.deepEqual(found.sort(), read('sample_train.txt').toString().trimEnd().split('\n'));
    assert.equal(found.length, NUM_TRAIN);
    assert.equal(numJpegs, NUM_TRAIN - 3);
  });

  it('has a flat val archive in the order of its list, each class as often', async () => {
    const list = parseList(read('sample_val.txt').toString());
    const members = await membersOf(read('sample_img_val.tar'));
    assert.deepEqual(
      [...members.keys()],
      list.map(({ name }) => name),
    );
    assert.ok([...members.values()].every(isJpeg));
    for (let label = 0; label < FIGURE_CLASSES.length; label++) {
      const count = list.filter((entry) => entry.label === label).length;
      assert.equal(count, NUM_VAL / FIGURE_CLASSES.length);
    }
  });

  it('is the same to the last byte when it is drawn again, and only drawn when something is missing', async () => {
    const whole = statSync(join(folder.path, 'sample_img_val.tar')).mtimeMs;
    await makeSampleArchives(folder.path, { reporter: listeningReporter() });
    assert.equal(statSync(join(folder.path, 'sample_img_val.tar')).mtimeMs, whole);
    rmSync(join(folder.path, 'sample_img_val.tar'));
    assert.deepEqual(await makeSampleArchives(folder.path, { reporter: listeningReporter() }), dataset);
    assert.equal(md5Of(read('sample_img_val.tar')), dataset.archives[1].md5);
  });

  it('has pictures of many sizes about 150×120, some of them upright', () => {
    const sizes = Array.from({ length: 100 }, (_, index) => drawPicture({ split: 0, label: 0, index, channels: 3 }));
    assert.ok(sizes.every(({ width, height }) => Math.max(width, height) <= 170 && Math.min(width, height) >= 100));
    assert.ok(new Set(sizes.map(({ width, height }) => `${width}x${height}`)).size > 50);
    assert.ok(sizes.some(({ width, height }) => height > width));
  });

  it('stops when it is told to', async () => {
    const run = makeSampleArchives(join(folder.path, 'stopped'), {
      reporter: listeningReporter(),
      signal: AbortSignal.abort(),
    });
    await assert.rejects(run, { code: 'ERR_INTERRUPTED' });
  });
});
