/** A dataset of bad files: the run ends, each is named with its reason, and the good ones are all there. */
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateSync, crc32 } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { archivesFolder, REJECTED_FILE, splitFolder } from '../../lib/platform/root-layout.js';
import { parseDataset } from '../../lib/catalog/dataset-file.js';
import { openSplit } from '../../lib/shards/split-reader.js';
import { prepareDataset, type PrepareSettings } from '../../workers/prepare.js';
import { runPython } from '../fixtures/run-command.js';
import { makeTar } from '../fixtures/tar-files.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { tinySettings } from '../fixtures/tiny-dataset.js';

const DATASET = (archives: string, archive: string): string => `
name: bad
about: bad files
archives: [${archives}, { file: list.txt }]
splits:
  all: { archive: ${archive}, labels: { from: list, list: { archive: list.txt } } }
`;

/** What OpenCV stores of each file, planar and in base64, resized to the size; null when it cannot be read. */
const OPENCV = `
import base64, cv2, json, os, sys
folder, size = sys.argv[1], int(sys.argv[2])
cv2.ipp.setUseIPP(False)
result = {}
for name in sys.argv[3:]:
    image = cv2.imread(os.path.join(folder, name), cv2.IMREAD_COLOR)
    if image is not None: image = base64.b64encode(cv2.resize(image, (size, size)).transpose(2, 0, 1).tobytes()).decode()
    result[name] = image
print(json.dumps(result))
`;

const SIZE = 16;
const SIDE = 60_000;

describe('a dataset of bad files', () => {
  const root = temporaryFolder();
  const files = new Map<string, Buffer>();
  /** Name → pattern of the reason. */
  const bad = new Map<string, RegExp>();
  let opencv: Record<string, string | null>;

  before(async () => {
    const jpeg = await picture().jpeg({ quality: 90 }).toBuffer();
    const png = await picture().png().toBuffer();
    const deep = Uint16Array.from({ length: 40 * 30 * 3 }, (_, i) => (i * 40_503) & 0xffff);
    const inks = picture().toColourspace('cmyk');
    files.set('good.jpg', jpeg);
    files.set(
      'one pixel.png',
      await sharp(Buffer.of(9, 8, 7), { raw: { width: 1, height: 1, channels: 3 } })
        .png()
        .toBuffer(),
    );
    files.set('one-pixel.jpg', await picture().resize(1, 1).jpeg().toBuffer());
    files.set('cmyk.jpg', await inks.clone().jpeg({ quality: 95 }).toBuffer());
    files.set('progressive.jpg', await picture().jpeg({ progressive: true }).toBuffer());
    files.set('turned.jpg', await picture().jpeg().withMetadata({ orientation: 6 }).toBuffer());
    files.set(
      'deep.png',
      await sharp(deep, { raw: { width: 40, height: 30, channels: 3 } })
        .toColourspace('rgb16')
        .png()
        .toBuffer(),
    );
    files.set('png named.jpg', png);
    files.set('jpeg named.png', jpeg);
    for (let tenth = 1; tenth < 10; tenth++) {
      files.set(`jpeg cut at ${tenth}0 %.jpg`, jpeg.subarray(0, Math.floor((jpeg.length * tenth) / 10)));
      files.set(`png cut at ${tenth}0 %.png`, png.subarray(0, Math.floor((png.length * tenth) / 10)));
    }
    files.set('empty.jpg', Buffer.alloc(0));
    files.set('text.jpg', Buffer.from('this is no image'));
    files.set('jpeg bomb.jpg', jpegBomb(jpeg));
    files.set('png bomb.png', pngBomb());
    await mkdir(join(root.path, 'folder'));
    for (const [name, content] of files) await writeFile(join(root.path, 'folder', name), content);
    opencv = JSON.parse(
      await runPython(OPENCV, [
        join(root.path, 'folder'),
        String(SIZE),
        ...[...files.keys()].filter((name) => !name.includes('bomb')),
      ]),
    ) as Record<string, string | null>;

    bad.set('empty.jpg', /empty|unsupported image format/);
    bad.set('text.jpg', /unsupported image format/);
    bad.set('jpeg bomb.jpg', /exceeds pixel limit/);
    bad.set('png bomb.png', /exceeds pixel limit/);
    bad.set('missing.jpg', /not in the archive/);
    bad.set('../good.jpg', /not in the archive/);
    bad.set('', /not in the archive/);
    for (const [name, pixels] of Object.entries(opencv)) if (pixels === null && !bad.has(name)) bad.set(name, /./);

    const listed = [...files.keys(), 'missing.jpg', 'good.jpg', '../good.jpg'];
    await mkdir(archivesFolder(root.path), { recursive: true });
    await writeFile(
      join(archivesFolder(root.path), 'list.txt'),
      `${listed.map((name, label) => `${name} ${label}`).join('\n')}\n\n`,
    );
    const members = [...files].map(([name, content]) => ({ name, content }));
    await writeFile(join(archivesFolder(root.path), 'bad.tar'), await makeTar(members));
  });

  for (const [what, archives, archive] of [
    ['in a tar', '{ file: bad.tar }', 'bad.tar'],
    ['in a folder', '{ file: bad, folder: FOLDER }', 'bad'],
  ] as const) {
    describe(what, () => {
      const name = archive.replace('.', '-');
      const rejected = new Map<string, string>();
      let settings: PrepareSettings;

      before(async () => {
        const yaml = DATASET(archives.replace('FOLDER', join(root.path, 'folder')), archive);
        settings = {
          ...tinySettings(root.path),
          dataset: parseDataset(yaml, 'bad.yaml'),
          name,
          splits: ['all'],
          maxRejected: { share: 1, atLeast: 0 },
        };
        await prepareDataset(settings, false);
        const lines = (await readFile(join(splitFolder(root.path, name, 'all'), REJECTED_FILE), 'utf8')).trim();
        for (const line of lines.split('\n')) {
          const { key, reason } = JSON.parse(line) as { key: string; reason: string };
          rejected.set(key.slice(9), reason);
        }
      });

      it('names each bad one with its reason, in one line, and no other', () => {
        assert.deepEqual([...rejected.keys()].sort(), [...bad.keys()].sort());
        for (const [file, pattern] of bad) assert.match(rejected.get(file) ?? '', pattern, file);
        for (const reason of rejected.values()) assert.doesNotMatch(reason, /\n/);
      });

      it('stores all good ones, a doubled one twice, with the pixels that OpenCV has of them', async () => {
        const split = await openSplit(splitFolder(root.path, name, 'all'));
        const stored = new Map<string, string>();
        try {
          split.read([...Array(split.manifest.numSamples).keys()], ({ data }, id) => {
            stored.set(split.keyOf(id), Buffer.from(data).toString('base64'));
          });
        } finally {
          await split.close();
        }
        const names = [...stored.keys()].map((key) => key.slice(9));
        assert.deepEqual(names.sort(), [...files.keys(), 'good.jpg'].filter((file) => !bad.has(file)).sort());
        for (const [key, pixels] of stored) assert.equal(pixels, opencv[key.slice(9)], key);
        for (const file of ['cmyk.jpg', 'deep.png', 'png named.jpg', 'one pixel.png', 'jpeg cut at 50 %.jpg']) {
          assert.ok(names.includes(file), file);
        }
      });
    });
  }
});

/** 40 × 30. */
function picture(): Sharp {
  const pixels = Buffer.from(Array.from({ length: 40 * 30 * 3 }, (_, i) => (i * 7 + ((i * i) >> 6)) & 255));
  return sharp(pixels, { raw: { width: 40, height: 30, channels: 3 } });
}

/** The header says 60,000 × 60,000; the rest is that of a small image. */
function jpegBomb(jpeg: Buffer): Buffer {
  const bomb = Buffer.from(jpeg);
  const frame = bomb.indexOf(Buffer.of(0xff, 0xc0));
  bomb.writeUInt16BE(SIDE, frame + 5);
  bomb.writeUInt16BE(SIDE, frame + 7);
  return bomb;
}

function pngBomb(): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(data.length, 0);
    frame.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(SIDE, 0);
  header.writeUInt32BE(SIDE, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.alloc(3 * SIDE + 1))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}
