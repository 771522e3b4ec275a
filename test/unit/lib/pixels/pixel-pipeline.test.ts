import assert from 'node:assert/strict';
import fc from 'fast-check';
import sharp, { type Sharp } from 'sharp';
import { messageOf, UsageError } from '../../../../lib/core/errors.js';
import {
  createPixelPipeline,
  type ConvertedImage,
  type PixelPipeline,
  type ResizeOptions,
} from '../../../../lib/pixels/pixel-pipeline.js';
import type { JpegTarget, Turbojpeg } from '../../../../lib/pixels/turbojpeg-library.js';
import { findTurbojpeg } from '../../../../lib/pixels/turbojpeg.js';

const CAFFE: ResizeOptions = { resize: 'caffe', fit: 'exact', size: { width: 32, height: 32 } };

describe('a pixel pipeline', () => {
  const { turbojpeg, reason } = findTurbojpeg();

  before(() => {
    if (reason !== undefined) process.stdout.write(`    (libturbojpeg is not used: ${reason})\n`);
  });

  async function convertBothWays(file: Buffer, resize: ResizeOptions): Promise<[ConvertedImage, ConvertedImage]> {
    return [
      await createPixelPipeline({ resize, turbojpeg }).convert(file),
      await createPixelPipeline({ resize, turbojpeg: undefined }).convert(file),
    ];
  }

  for (const [what, make, decoder] of [
    ['a JPEG', () => picture().jpeg(), 'libturbojpeg'],
    ['a progressive JPEG', () => picture().jpeg({ progressive: true }), 'libturbojpeg'],
    ['a JPEG without subsampling', () => picture().jpeg({ chromaSubsampling: '4:4:4' }), 'libturbojpeg'],
    ['a grey JPEG', () => picture().toColourspace('b-w').jpeg(), 'libturbojpeg'],
    ['a JPEG with a profile', () => picture().withIccProfile('p3').jpeg(), 'libturbojpeg'],
    ...[2, 3, 4, 5, 6, 7, 8].map(
      (orientation) =>
        [
          `a JPEG of orientation ${orientation}`,
          () => picture().jpeg().withMetadata({ orientation }),
          'libturbojpeg',
        ] as const,
    ),
    ['a CMYK JPEG', () => picture().toColourspace('cmyk').jpeg(), 'sharp'],
    ['a PNG', () => picture().png(), 'sharp'],
  ] as const) {
    it(`decodes ${what} to the same pixels with libturbojpeg and without, by ${decoder}`, async function () {
      if (turbojpeg === undefined) this.skip();
      const file = await make().toBuffer();
      for (const resize of [CAFFE, { ...CAFFE, resize: 'area' }, { resize: 'none' }] as const) {
        const [fast, slow] = await convertBothWays(file, resize);
        assert.equal(fast.decoder, decoder);
        assert.deepEqual({ ...fast, decoder: 'sharp' }, slow);
      }
    });
  }

  it('makes of damaged JPEGs what it makes without libturbojpeg, whatever came before them', async function () {
    if (turbojpeg === undefined) this.skip();
    const whole = await Promise.all(
      [
        picture().jpeg(),
        picture().jpeg({ progressive: true }),
        picture().toColourspace('b-w').jpeg(),
        picture().withMetadata({ orientation: 3 }).jpeg(),
      ].map((image) => image.toBuffer()),
    );
    const fast = createPixelPipeline({ resize: CAFFE, turbojpeg });
    const slow = createPixelPipeline({ resize: CAFFE, turbojpeg: undefined });
    const outcomeOf = async (pipeline: PixelPipeline, file: Buffer): Promise<unknown> => {
      try {
        const { width, height, data } = await pipeline.convert(file);
        return { width, height, data };
      } catch (error) {
        return messageOf(error);
      }
    };
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    const bytes = fc.array(fc.tuple(share, fc.nat(255)), { minLength: 1, maxLength: 4 });
    // Half of them are whole but for a few bytes.
    const length = fc.oneof(fc.constant(1), share);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...whole), bytes, length, async (file, changes, kept) => {
        const damaged = Buffer.from(file.subarray(0, Math.ceil(file.length * kept)));
        for (const [at, value] of changes) damaged[Math.floor(at * (damaged.length - 1))] = value;
        assert.deepEqual(await outcomeOf(fast, damaged), await outcomeOf(slow, damaged));
      }),
      { numRuns: 300 },
    );
  });

  it('gives each fit its shape', async () => {
    const file = await picture().png().toBuffer();
    const shapeOf = async (resize: ResizeOptions): Promise<[number, number, number]> => {
      const { width, height, data } = await createPixelPipeline({ resize, turbojpeg }).convert(file);
      return [width, height, data.length];
    };
    const size = { width: 20, height: 20 };
    for (const resize of ['caffe', 'area'] as const) {
      assert.deepEqual(await shapeOf({ resize, fit: 'exact', size }), [20, 20, 1200]);
      assert.deepEqual(await shapeOf({ resize, fit: 'short-side', size }), [30, 20, 1800]);
      assert.deepEqual(await shapeOf({ resize, fit: 'cover', size }), [20, 20, 1200]);
    }
    assert.deepEqual(await shapeOf({ resize: 'none' }), [90, 60, 3 * 90 * 60]);
  });

  it('decodes large JPEGs at a part of their sides when told to, to nearly the same pixels in the same shape', async function () {
    if (turbojpeg === undefined) this.skip();
    const file = await picture().resize(901, 599).jpeg({ quality: 95 }).toBuffer();
    for (const fit of ['exact', 'cover', 'short-side'] as const) {
      for (const side of [300, 150, 70, 40]) {
        const resize: ResizeOptions = { resize: 'area', fit, size: { width: side, height: side } };
        const whole = await createPixelPipeline({ resize, turbojpeg }).convert(file);
        const scaled = await createPixelPipeline({ resize: { ...resize, decodeScale: true }, turbojpeg }).convert(file);
        assert.deepEqual([scaled.width, scaled.height], [whole.width, whole.height]);
        const sum = whole.data.reduce((total, value, i) => total + Math.abs(value - scaled.data[i]), 0);
        assert.ok(sum / whole.data.length < 4, `${fit} ${side}: ${sum / whole.data.length} on average`);
        assert.equal(sum > 0, side < 300, 'from half the sides on');
      }
    }
  });

  it('refuses to scale the DCT without libturbojpeg', () => {
    const resize: ResizeOptions = { ...CAFFE, resize: 'area', decodeScale: true };
    assert.throws(() => createPixelPipeline({ resize, turbojpeg: undefined }), {
      code: 'ERR_NOT_FOUND',
      message: /--decode-scale/,
    });
  });

  it('refuses a JPEG that says 60,000 × 60,000 before there is room for it', async () => {
    const file = await picture().jpeg().toBuffer();
    const frame = file.indexOf(Buffer.from([0xff, 0xc0]));
    file.writeUInt16BE(60_000, frame + 5);
    file.writeUInt16BE(60_000, frame + 7);
    const asked: (JpegTarget | undefined)[] = [];
    const watched: Turbojpeg = {
      library: 'watched',
      decode: (_, place) => {
        asked.push(place({ width: 60_000, height: 60_000, isGrey: false }));
        return false;
      },
      encode: () => Buffer.alloc(0),
    };
    await assertUnreadable(createPixelPipeline({ resize: CAFFE, turbojpeg: watched }), file);
    assert.deepEqual(asked, [undefined]);
    await assertUnreadable(createPixelPipeline({ resize: CAFFE, turbojpeg }), file);
  });

  it('refuses a JPEG without tables, whatever was decoded before it', async () => {
    const whole = await picture().jpeg().toBuffer();
    const table = whole.indexOf(Buffer.from([0xff, 0xdb]));
    const bare = Buffer.concat([whole.subarray(0, table), whole.subarray(table + 2 + whole.readUInt16BE(table + 2))]);
    const pipeline = createPixelPipeline({ resize: CAFFE, turbojpeg });
    await pipeline.convert(whole);
    await assertUnreadable(pipeline, bare);
  });

  it('refuses an image that would become too large', async () => {
    const line = sharp({ create: { width: 60_000, height: 1, channels: 3, background: 'red' } });
    const resize: ResizeOptions = { resize: 'area', fit: 'short-side', size: { width: 256, height: 256 } };
    await assertUnreadable(createPixelPipeline({ resize, turbojpeg }), await line.jpeg().toBuffer());
  });

  it('refuses what is no image, and goes on', async () => {
    const pipeline = createPixelPipeline({ resize: CAFFE, turbojpeg });
    const file = await picture().jpeg().toBuffer();
    // Its Huffman table says that it has more codes than fit.
    const table = file.indexOf(Buffer.from([0xff, 0xc4]));
    const badHeader = Buffer.from(file).fill(0xff, table + 5, table + 21);
    for (const bad of [Buffer.alloc(0), Buffer.from('text'), file.subarray(0, 200), badHeader]) {
      await assertUnreadable(pipeline, bad);
    }
    const { data, decoder } = await pipeline.convert(file);
    assert.equal(data.length, 3 * 32 * 32);
    assert.equal(decoder, turbojpeg === undefined ? 'sharp' : 'libturbojpeg');
  });

  it('converts many at a time, each with its own pixels', async () => {
    const pipeline = createPixelPipeline({ resize: CAFFE, turbojpeg });
    const colours = ['red', 'lime', 'blue', 'white', 'black'];
    const files = await Promise.all(
      colours.flatMap((background) => {
        const image = sharp({ create: { width: 40, height: 40, channels: 3, background } });
        return [image.clone().jpeg().toBuffer(), image.png().toBuffer()];
      }),
    );
    const alone: ConvertedImage[] = [];
    for (const file of files) alone.push(await pipeline.convert(file));
    assert.deepEqual(await Promise.all(files.map(async (file) => pipeline.convert(file))), alone);
  });

  it('does not grow over many images, huge ones among them', async function () {
    if (turbojpeg === undefined) this.skip();
    const pipeline = createPixelPipeline({ resize: CAFFE, turbojpeg });
    const huge = await sharp({ create: { width: 6000, height: 5000, channels: 3, background: 'red' } })
      .jpeg()
      .toBuffer();
    const small = await picture().jpeg().toBuffer();
    const round = async (): Promise<number> => {
      await pipeline.convert(huge);
      for (let i = 0; i < 500; i++) await pipeline.convert(small);
      return process.memoryUsage.rss();
    };
    // What one round leaves behind may wait for a collection; what eight rounds leave may not add up.
    const first = Math.max(await round(), await round());
    let last = 0;
    for (let i = 0; i < 8; i++) last = await round();
    assert.ok(last - first < 2 * 3 * 6000 * 5000, `${last - first} bytes more`);
  });
});

describe('findTurbojpeg', () => {
  it('can be told to do without, and says so', () => {
    assert.match(findTurbojpeg('none').reason ?? '', /MILLRACE_TURBOJPEG=none/);
  });

  it('refuses a path that holds no such library, naming the setting', () => {
    for (const path of ['/no/such/libturbojpeg.so', process.execPath]) {
      assert.throws(
        () => findTurbojpeg(path),
        (error: unknown) => error instanceof UsageError && error.field === 'MILLRACE_TURBOJPEG',
      );
    }
  });

  it('never writes into room of another size than the image', async function () {
    const { turbojpeg } = findTurbojpeg();
    if (turbojpeg === undefined) this.skip();
    const file = await picture().jpeg().toBuffer();
    const room = new Uint8Array(90 * 60 * 3 - 1);
    assert.throws(() => turbojpeg.decode(file, () => ({ width: 90, height: 60, channels: 3, room })), RangeError);
  });
});

async function assertUnreadable(pipeline: PixelPipeline, file: Buffer): Promise<void> {
  await assert.rejects(
    async () => pipeline.convert(file),
    (error: Error & { code: string }) => {
      assert.equal(error.code, 'ERR_IMAGE_UNREADABLE');
      assert.match(error.message, /^[^\n]+$/);
      return true;
    },
  );
}

/** 90 × 60: ramps, and noise upon them. */
function picture(): Sharp {
  const pixels = Buffer.alloc(90 * 60 * 3);
  let state = 1;
  for (let i = 0; i < pixels.length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    pixels[i] = (Math.floor(i / 3) % 90) * 2 + (state >>> 25);
  }
  return sharp(pixels, { raw: { width: 90, height: 60, channels: 3 } });
}
