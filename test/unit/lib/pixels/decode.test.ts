import assert from 'node:assert/strict';
import sharp, { type Sharp } from 'sharp';
import { decodeImage } from '../../../../lib/pixels/decode.js';

describe('decodeImage', () => {
  const grey = (width: number, height: number, value: number): Sharp =>
    sharp(Buffer.alloc(width * height, value), { raw: { width, height, channels: 1 } }).toColourspace('b-w');

  it('gives grey three channels', async () => {
    const image = await decodeImage(await grey(5, 4, 77).png().toBuffer());
    assert.deepEqual([image.width, image.height], [5, 4]);
    assert.deepEqual(new Set(image.data), new Set([77]));
    assert.equal(image.data.length, 5 * 4 * 3);
  });

  it('drops alpha without mixing it in', async () => {
    const pixel = Buffer.from([10, 20, 30, 0]);
    const file = await sharp(pixel, { raw: { width: 1, height: 1, channels: 4 } })
      .png()
      .toBuffer();
    assert.deepEqual([...(await decodeImage(file)).data], [10, 20, 30]);
  });

  it('turns a JPEG upright', async () => {
    const file = await grey(6, 3, 5).jpeg().withMetadata({ orientation: 6 }).toBuffer();
    const image = await decodeImage(file);
    assert.deepEqual([image.width, image.height], [3, 6]);
  });

  it('takes a JPEG that is cut short', async () => {
    const file = await grey(64, 64, 5).jpeg().toBuffer();
    assert.equal((await decodeImage(file.subarray(0, file.length - 20))).data.length, 64 * 64 * 3);
  });

  const bad: [string, () => Promise<Buffer> | Buffer][] = [
    ['an empty file', () => Buffer.alloc(0)],
    ['a text', () => Buffer.from('no image at all')],
    ['a PNG that is cut short', async () => (await grey(64, 64, 5).png().toBuffer()).subarray(0, 80)],
    ['a PNG that says 60,000 × 60,000', async () => hugePng(await grey(8, 8, 5).png().toBuffer())],
  ];
  for (const [what, make] of bad) {
    it(`refuses ${what}, with a reason of one line`, async () => {
      await assert.rejects(decodeImage(await make()), (error: Error & { code: string }) => {
        assert.equal(error.code, 'ERR_IMAGE_UNREADABLE');
        assert.match(error.message, /^[^\n]+$/);
        return true;
      });
    });
  }
});

/** Writes another size into a PNG's header chunk. */
function hugePng(file: Buffer): Buffer {
  const header = Buffer.from(file);
  header.writeUInt32BE(60_000, 16);
  header.writeUInt32BE(60_000, 20);
  header.writeUInt32BE(crc32(header.subarray(12, 29)), 29);
  return header;
}

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
