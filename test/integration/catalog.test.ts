/** `millrace catalog` and what it describes: a user's own zip prepared, label sources and boxes checked. */
import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { findDataset } from '../../lib/catalog/catalog.js';
import { archivePath, archivesFolder, splitFolder } from '../../lib/platform/root-layout.js';
import { readManifest } from '../../lib/shards/manifest.js';
import { prepareDataset } from '../../workers/prepare.js';
import { makeDevelopmentKit, vocXml } from '../fixtures/annotation-archives.js';
import { runCommand, runPython, type CommandOutcome } from '../fixtures/run-command.js';
import { makeTar } from '../fixtures/tar-files.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { tinyJpeg, tinySettings } from '../fixtures/tiny-dataset.js';

describe('millrace catalog', () => {
  it('lists the datasets and shows one, as text and as JSON', async () => {
    const list = await runCommand('catalog', []);
    assert.match(list.stdout, /^cifar10 +CIFAR-10/m);
    const shown = await runCommand('catalog', ['ilsvrc2012']);
    assert.match(shown.stdout, /ILSVRC2012_img_val\.tar {2}\(6\.7 GB, MD5 29b22e2961454d5413ddabcf34fc5622\)/);
    assert.match(shown.stdout, /train {2}a tar of tars, ILSVRC2012_img_train\.tar, labels from train\.txt, boxes in/);
    const json = await runCommand('catalog', ['imagewoof', '--json']);
    assert.equal((JSON.parse(json.stdout) as { name: string }).name, 'imagewoof');
  });

  it('prints the JSON Schema of a dataset file, bare or as a JSON line', async () => {
    const bare = await runCommand('catalog', ['schema']);
    const line = await runCommand('catalog', ['schema', '--json']);
    assert.deepEqual((JSON.parse(line.stdout) as { schema: unknown }).schema, JSON.parse(bare.stdout));
  });

  it('exits 2 for what is no dataset', async () => {
    const { code, stderr } = await runCommand('catalog', ['nothing']);
    assert.equal(code, 2);
    assert.match(stderr, /unknown dataset "nothing"/);
  });
});

describe('millrace catalog check', () => {
  const folder = temporaryFolder();
  const file = (): string => join(folder.path, 'mini.yaml');
  const check = (...flags: string[]): Promise<CommandOutcome> =>
    runCommand('catalog', ['check', file(), '--root', folder.path, ...flags]);

  before(async () => {
    await mkdir(archivesFolder(folder.path), { recursive: true });
    const annotations = 'annotations: { boxes: { archive: boxes.tgz, prefix: val/ }, developmentKit: kit.tar.gz }';
    await writeFile(
      file(),
      `
name: mini
about: as ILSVRC2012
archives:
  - { file: val.tar }
  - { file: val.txt }
  - { file: words.txt }
  - { file: boxes.tgz, optional: true }
  - { file: kit.tar.gz, optional: true }
classes: { archive: words.txt }
splits:
  val: { archive: val.tar, labels: { from: list, list: { archive: val.txt } }, ${annotations} }
  other: { archive: val.tar, labels: { from: folder } }
`,
    );
  });

  beforeEach(async () => {
    const put = (name: string, content: string | Buffer): Promise<void> =>
      writeFile(archivePath(folder.path, name), content);
    await put('val.txt', 'v_1.JPEG 2\nv_2.JPEG 0\nv_3.JPEG 1\n');
    await put('words.txt', 'n01 tench\nn02 English setter\nn03 kit fox, Vulpes macrotis\n');
    await put('kit.tar.gz', await makeDevelopmentKit([1, 2, 3]));
    const xmls = [
      { name: 'val/v_1.xml', content: vocXml('v_1', [{ name: 'kit_fox', corners: [-5, 0, 100, 50] }]) },
      { name: 'val/v_3.xml', content: vocXml('%s', [{ name: 'n02', corners: [90, 10, 10, 60] }]) },
    ];
    await put('boxes.tgz', gzipSync(await makeTar(xmls)));
  });

  it('says that labels agree, and what was mended of the boxes', async () => {
    const { code, stdout } = await check();
    assert.equal(code, 0);
    assert.equal(
      stdout,
      'mini/val: labels and ground truth agree on 3 images\n' +
        'mini/val: 2 boxes in 2 annotations, of 2 of 3 images; 1 swapped, 1 clipped, 0 dropped, 1 named by words, ' +
        '0 of no known class, 1 files under another name\n',
    );
  });

  it('exits 3 naming each image on which the sources differ', async () => {
    await writeFile(archivePath(folder.path, 'val.txt'), 'v_1.JPEG 2\nv_2.JPEG 1\nv_3.JPEG 1\n');
    const { code, stderr } = await check();
    assert.equal(code, 3);
    assert.match(stderr, /mini\/val: v_2\.JPEG: the list says label 1, .* ID 2, n01, hence label 0/);
  });

  it('looks at what is there, and says how to get the rest', async () => {
    await rm(archivePath(folder.path, 'kit.tar.gz'));
    const { code, stdout } = await check('--json');
    assert.equal(code, 0);
    const result = stdout.split('\n').find((line) => line.includes('"event":"result"')) ?? '';
    const [split] = (JSON.parse(result) as { splits: Record<string, unknown>[] }).splits;
    assert.deepEqual(split['absent'], ['kit.tar.gz']);
    assert.equal(split['labels'], undefined);
    await rm(archivePath(folder.path, 'boxes.tgz'));
    assert.match(
      (await check()).stdout,
      /boxes\.tgz is not there; fetch it with "millrace download mini --only boxes\.tgz"/,
    );
  });

  it('has nothing to say of a dataset without annotations', async () => {
    const { stdout } = await runCommand('catalog', ['check', 'imagenette']);
    assert.match(stdout, /imagenette has nothing besides its labels/);
  });
});

describe('a dataset in a zip', () => {
  const folder = temporaryFolder();

  it('is prepared as the same images in a tar are, stored or deflated', async () => {
    const archives = archivesFolder(folder.path);
    await mkdir(archives, { recursive: true });
    for (const label of ['cat', 'dog']) {
      await mkdir(join(folder.path, 'images', label), { recursive: true });
      for (let i = 0; i < 8; i++) {
        await writeFile(join(folder.path, 'images', label, `${i}.jpg`), await tinyJpeg(i + label.charCodeAt(0)));
      }
    }
    const python = `
import os, sys, tarfile, zipfile
os.chdir(sys.argv[1])
names = sorted(os.path.join(d, f) for d, _, fs in os.walk('images') for f in fs)
with tarfile.open('archives/images.tar', 'w') as t: [t.add(n) for n in names]
for method, file in ((zipfile.ZIP_STORED, 'stored.zip'), (zipfile.ZIP_DEFLATED, 'deflated.zip')):
    with zipfile.ZipFile('archives/' + file, 'w', method) as z: [z.write(n) for n in names]
`;
    await runPython(python, [folder.path]);
    const digests = new Map<string, string | undefined>();
    for (const archive of ['images.tar', 'stored.zip', 'deflated.zip']) {
      const name = archive.replace('.', '-');
      const path = join(folder.path, `${name}.json`);
      const splits = { all: { archive, prefix: 'images/', labels: { from: 'folder' } } };
      await writeFile(path, JSON.stringify({ name, about: archive, archives: [{ file: archive }], splits }));
      const dataset = await findDataset(path);
      await prepareDataset({ ...tinySettings(folder.path), dataset, name, splits: ['all'] }, false);
      const manifest = await readManifest(splitFolder(folder.path, name, 'all'));
      assert.equal(manifest?.numSamples, 16);
      assert.deepEqual(
        manifest.classes.map(({ id }) => id),
        ['cat', 'dog'],
      );
      digests.set(archive, manifest.shards.map(({ contentDigest }) => contentDigest).join());
    }
    assert.equal(digests.get('stored.zip'), digests.get('images.tar'));
    assert.equal(digests.get('deflated.zip'), digests.get('images.tar'));
  });
});
