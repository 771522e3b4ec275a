/** `--exif` and `--truncated`: what becomes of turned images and of JPEGs that are cut short. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { decodeImage } from '../../lib/pixels/decode.js';
import { resizeBilinear } from '../../lib/pixels/resize-bilinear.js';
import { createSampleDecoder } from '../../lib/pixels/sample-decoder.js';
import { REJECTED_FILE, splitFolder } from '../../lib/platform/root-layout.js';
import { openSplit } from '../../lib/shards/split-reader.js';
import { millrace, type CliOutcome } from '../fixtures/cli.js';
import { makeTar } from '../fixtures/tar-files.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { makeTinyDataset, TINY, TINY_YAML, tinyJpeg } from '../fixtures/tiny-dataset.js';

const TURNED = 2;
const CUT = 5;

describe('the policy for images that decoders disagree about', () => {
  const root = temporaryFolder();
  let turned: Buffer;

  const prepare = (name: string, ...flags: readonly string[]): Promise<CliOutcome> => {
    const common = ['--root', root.path, '--size', String(TINY.size), '--split', 'val', '--no-shuffle', '--as', name];
    return millrace(['prepare', join(root.path, 'tiny.yaml'), ...common, ...flags]);
  };
  const folderOf = (name: string): string => splitFolder(root.path, name, 'val');

  /** The pixels that a record is served as. */
  async function served(name: string, id: number): Promise<Uint8Array> {
    const split = await openSplit(folderOf(name));
    try {
      const decode = createSampleDecoder(split.manifest.options, undefined);
      let stored: Parameters<typeof decode>[0] | undefined;
      split.read([id], ({ shape, data, isEncoded }) => (stored = { shape, data: Uint8Array.from(data), isEncoded }));
      assert.ok(stored);
      return (await decode(stored)).data;
    } finally {
      await split.close();
    }
  }

  before(async () => {
    await makeTinyDataset(root.path);
    await writeFile(join(root.path, 'tiny.yaml'), TINY_YAML);
    turned = await sharp(await tinyJpeg(1))
      .withMetadata({ orientation: 6 })
      .toBuffer();
    const members = await Promise.all(
      Array.from({ length: TINY.numVal }, async (_, i) => {
        const file = await tinyJpeg(90_000 + i);
        const content = { [TURNED]: turned, [CUT]: file.subarray(0, file.length - 60) }[i] ?? file;
        return { name: `val_${i}.JPEG`, content };
      }),
    );
    await writeFile(join(root.path, 'archives', 'val.tar'), await makeTar(members));
  });

  it('turns and keeps them, as OpenCV does', async () => {
    const { code, stdout, stderr } = await prepare('usual');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /20 stored, 0 rejected/);
    const expected = resizeBilinear(await decodeImage(turned), TINY.size, TINY.size);
    assert.deepEqual(await served('usual', TURNED), expected);
  });

  for (const record of ['raw', 'original']) {
    it(`neither turns nor keeps them when told so, with ${record} records`, async () => {
      const { code, stdout, stderr } = await prepare(
        record,
        ...['--exif', 'ignore', '--truncated', 'reject', '--record', record],
      );
      assert.equal(code, 0, stderr);
      assert.match(stdout, /19 stored, 1 rejected/);
      const expected = resizeBilinear(await decodeImage(turned, { exif: 'ignore' }), TINY.size, TINY.size);
      assert.deepEqual(await served(record, TURNED), expected);
      assert.notDeepEqual(await served('usual', TURNED), expected);
      const { key, reason } = JSON.parse(await readFile(join(folderOf(record), REJECTED_FILE), 'utf8')) as {
        key: string;
        reason: string;
      };
      assert.equal(key, `0000000${CUT}_val_${CUT}.JPEG`);
      assert.match(reason, /premature end/i);
    });
  }

  it('is an option of the split: another one is refused', async () => {
    const { code, stderr } = await prepare('raw');
    assert.equal(code, 1);
    assert.match(stderr, /exif +ignore +none\n +truncated +reject +none\n/);
  });
});
