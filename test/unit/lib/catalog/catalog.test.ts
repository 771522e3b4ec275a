import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { catalogEntries, findDataset } from '../../../../lib/catalog/catalog.js';
import { parseDataset } from '../../../../lib/catalog/dataset-file.js';
import { datasetJsonSchema, defaultSplits } from '../../../../lib/catalog/dataset-schema.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

const MINIMAL =
  'name: mine\nabout: my images\narchives: [{ file: a.zip }]\nsplits: { all: { archive: a.zip, labels: { from: folder } } }\n';

describe('the catalog', () => {
  it('has every dataset under its name', async () => {
    const names = catalogEntries().map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    for (const name of ['ilsvrc2012', 'imagenette', 'imagewoof', 'imagewoof-320', 'imagewoof-160', 'cifar10']) {
      assert.ok(names.includes(name), name);
      assert.equal((await findDataset(name)).name, name);
    }
  });

  it('has ILSVRC2012 whole: images of three splits, labels, ground truth, boxes', async () => {
    const { archives, splits } = await findDataset('ilsvrc2012');
    assert.equal(archives.length, 8);
    assert.deepEqual(Object.keys(splits), ['train', 'val', 'test']);
    assert.deepEqual(splits['val'].annotations, {
      boxes: { archive: 'ILSVRC2012_bbox_val_v3.tgz', prefix: 'val/' },
      developmentKit: 'ILSVRC2012_devkit_t12.tar.gz',
    });
  });

  it('leaves a split whose archive is optional out of all splits', async () => {
    assert.deepEqual(defaultSplits(await findDataset('ilsvrc2012')), ['train', 'val']);
    assert.deepEqual(defaultSplits(await findDataset('cifar10')), ['train', 'test']);
  });

  it('names what it has when there is no such entry', async () => {
    await assert.rejects(findDataset('imagenet'), { code: 'ERR_USAGE', message: /"imagenet".*ilsvrc2012/ });
  });
});

describe('a dataset file', () => {
  const folder = temporaryFolder();

  it('is read from YAML and from JSON alike, with defaults filled in', async () => {
    const dataset = parseDataset(MINIMAL, 'mine.yaml');
    assert.deepEqual(dataset.splits['all'], {
      archive: 'a.zip',
      layout: 'flat',
      prefix: '',
      labels: { from: 'folder' },
    });
    const path = join(folder.path, 'mine.json');
    await writeFile(path, JSON.stringify(dataset));
    assert.deepEqual(await findDataset(path), dataset);
  });

  it('may give SHA-1 and SHA-256 beside MD5', () => {
    const digests = { md5: 'a'.repeat(32), sha1: 'b'.repeat(40), sha256: 'c'.repeat(64) };
    const text = MINIMAL.replace('{ file: a.zip }', JSON.stringify({ file: 'a.zip', ...digests }));
    const { md5, sha1, sha256 } = parseDataset(text, 'mine.yaml').archives[0];
    assert.deepEqual({ md5, sha1, sha256 }, digests);
  });

  for (const [what, change, message] of [
    ['a missing field', ['about: my images\n', ''], /mine\.yaml:1: about: this field is missing/],
    ['an unknown field', ['about:', 'licence: x\nabout:'], /mine\.yaml:1: \(top\): Unrecognized key: "licence"/],
    ['a name with a slash', ['mine', '../mine'], /mine\.yaml:1: name: expected letters, digits/],
    [
      'a digest of another length',
      ['a.zip }]', 'a.zip, sha256: ab }]'],
      /:3: archives\.0\.sha256: expected 64 lower-case hex/,
    ],
    [
      'an ftp URL',
      ['a.zip }]', 'a.zip, urls: ["ftp://x/a"] }]'],
      /:3: archives\.0\.urls\.0: expected an http\(s\) or file URL/,
    ],
    [
      'an archive that is not there',
      ['archive: a.zip', 'archive: b.zip'],
      /:4: splits\.all\.archive: "b\.zip" is not among the archives \(a\.zip\)/,
    ],
    [
      'an archive named as the proof of another',
      ['a.zip }', 'a.zip.verified.json }'],
      /:3: .*file: expected another ending/,
    ],
    ['an archive named as a part', ['a.zip }', 'a.zip.part }'], /:3: .*file: expected another ending/],
    ['too long a name', ['a.zip }', `${'a'.repeat(201)} }`], /:3: .*file: expected at most 200 characters/],
    ['an archive twice', ['[{', '[{ file: a.zip }, {'], /:3: archives\.1\.file: "a\.zip" is there twice/],
    ['labels from elsewhere', ['folder', 'a dream'], /:4: splits\.all\.labels\.from: /],
    ['a nested zip', ['labels:', 'layout: nested, labels:'], /:4: splits\.all\.layout: only tars can be nested/],
    [
      'boxes that are not there',
      ['labels:', 'annotations: { boxes: { archive: b.tar } }, labels:'],
      /splits\.all\.annotations\.boxes\.archive: "b\.tar" is not among/,
    ],
    ['what is no YAML', ['about: my', 'about: ["my'], /mine\.yaml is neither JSON nor YAML/],
  ] as const) {
    it(`is refused, naming line and field, for ${what}`, () => {
      assert.throws(() => parseDataset(MINIMAL.replace(change[0], change[1]), 'mine.yaml'), {
        code: 'ERR_USAGE',
        message,
      });
    });
  }

  it('is refused when it is empty', () => {
    assert.throws(() => parseDataset('', 'mine.yaml'), { code: 'ERR_USAGE', message: /mine\.yaml:1: \(top\)/ });
  });

  it('is refused when its aliases would expand without end', () => {
    const bomb = [
      'a: &a [x, x]',
      ...'bcdefghijk'.split('').map((name, i) => {
        const last = 'abcdefghij'[i];
        return `${name}: &${name} [${Array<string>(9).fill(`*${last}`).join(', ')}]`;
      }),
    ].join('\n');
    assert.throws(() => parseDataset(bomb, 'mine.yaml'), { code: 'ERR_USAGE', message: /neither JSON nor YAML/ });
  });

  it('that is not there is named', async () => {
    await assert.rejects(findDataset('/nowhere/mine.yaml'), {
      code: 'ERR_NOT_FOUND',
      message: /\/nowhere\/mine\.yaml/,
    });
  });
});

describe('the JSON Schema of a dataset file', () => {
  interface JsonSchema {
    readonly required?: readonly string[];
    readonly description?: string;
    readonly properties?: Readonly<Record<string, JsonSchema>>;
    readonly items?: JsonSchema;
    readonly additionalProperties?: boolean | JsonSchema;
  }

  it('asks for what a file must give, no more, and explains the fields', () => {
    const schema = datasetJsonSchema() as JsonSchema;
    assert.deepEqual(schema.required, ['name', 'about', 'archives', 'splits']);
    assert.equal(schema.additionalProperties, false);
    const archive = schema.properties?.['archives'].items;
    assert.deepEqual(archive?.required, ['file']);
    assert.match(archive.properties?.['md5'].description ?? '', /MD5/);
    const split = schema.properties?.['splits'].additionalProperties as JsonSchema;
    assert.deepEqual(split.required, ['archive', 'labels']);
  });
});
