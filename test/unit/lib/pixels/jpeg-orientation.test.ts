import assert from 'node:assert/strict';
import sharp from 'sharp';
import { jpegOrientation } from '../../../../lib/pixels/jpeg-orientation.js';

describe('jpegOrientation', () => {
  let plain: Buffer;

  before(async () => {
    plain = await sharp({ create: { width: 8, height: 6, channels: 3, background: 'red' } })
      .jpeg()
      .toBuffer();
  });

  /** The file, or another one, with an EXIF put in front that says this orientation. */
  function withExif({
    orientation = 1,
    isLittleEndian = true,
    type = 3,
    directory = 8,
    tag = 0x0112,
    before = plain,
  }): Buffer {
    const tiff = Buffer.alloc(26);
    tiff.write(isLittleEndian ? 'II' : 'MM');
    const write16 = (value: number, at: number): unknown =>
      isLittleEndian ? tiff.writeUInt16LE(value, at) : tiff.writeUInt16BE(value, at);
    write16(42, 2);
    if (isLittleEndian) tiff.writeUInt32LE(directory, 4);
    else tiff.writeUInt32BE(directory, 4);
    write16(1, 8);
    write16(tag, 10);
    write16(type, 12);
    write16(orientation, 18);
    const head = Buffer.from([0xff, 0xe1, 0, 2 + 6 + tiff.length]);
    return Buffer.concat([before.subarray(0, 2), head, Buffer.from('Exif\0\0'), tiff, before.subarray(2)]);
  }

  it('is 1 without an EXIF, with an EXIF that says 1, and with one that says nothing', () => {
    assert.equal(jpegOrientation(plain), 1);
    for (const isLittleEndian of [true, false]) assert.equal(jpegOrientation(withExif({ isLittleEndian })), 1);
    assert.equal(jpegOrientation(withExif({ tag: 0x0110, orientation: 6 })), 1);
  });

  it('is what an EXIF says, in both byte orders', () => {
    for (const isLittleEndian of [true, false]) {
      for (const orientation of [2, 3, 4, 5, 6, 7, 8]) {
        assert.equal(jpegOrientation(withExif({ orientation, isLittleEndian })), orientation);
      }
    }
  });

  it('is unknown when it cannot be sure', () => {
    const cases: [string, Buffer][] = [
      ['a directory outside the EXIF', withExif({ directory: 1000 })],
      ['an orientation of another type', withExif({ type: 4 })],
      ...[0, 9, 256].map((orientation): [string, Buffer] => [`orientation ${orientation}`, withExif({ orientation })]),
      ['two orientations', withExif({ orientation: 3, before: withExif({ orientation: 6 }) })],
      ['no scan', plain.subarray(0, 100)],
      ['bytes between markers', Buffer.concat([plain.subarray(0, 2), Buffer.from([0, 0]), plain.subarray(2)])],
      ['a marker alone', Buffer.from([0xff, 0xd8, 0xff, 0xe1])],
      ['an empty file', Buffer.alloc(0)],
      ['a PNG', Buffer.from([0x89, 0x50, 0x4e, 0x47, 1, 2, 3, 4])],
    ];
    for (const [what, file] of cases) assert.equal(jpegOrientation(file), undefined, what);
  });

  it('sees what sharp writes', async () => {
    const file = await sharp(plain).withMetadata({ orientation: 3 }).jpeg().toBuffer();
    assert.equal(jpegOrientation(file), 3);
  });
});
