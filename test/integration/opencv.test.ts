/** Decoding and resizing against OpenCV itself, to the last bit, on images made here and on real ones. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { codeOf } from '../../lib/core/errors.js';
import { createPixelPipeline, type PixelPipeline } from '../../lib/pixels/pixel-pipeline.js';
import type { Turbojpeg } from '../../lib/pixels/turbojpeg-library.js';
import { findTurbojpeg } from '../../lib/pixels/turbojpeg.js';
import { readEnvironment } from '../../lib/platform/environment.js';
import { photographArchives, unpackPhotographs } from '../fixtures/photographs.js';
import { runPython } from '../fixtures/run-command.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { YCCK_JPEG } from '../fixtures/ycck-jpeg.js';

/** For each file: SHA-256 of its planar pixels, and of those resized to each size; null when it cannot be read. */
const SCRIPT = `
import cv2, hashlib, json, os, sys
folder, sizes = sys.argv[1], json.loads(sys.argv[2])
flags = cv2.IMREAD_COLOR | (cv2.IMREAD_IGNORE_ORIENTATION if sys.argv[3:] == ["ignore"] else 0)
cv2.ipp.setUseIPP(False)
digest = lambda image: hashlib.sha256(image.transpose(2, 0, 1).tobytes()).hexdigest()
result = {}
for name in os.listdir(folder):
    image = cv2.imread(os.path.join(folder, name), flags)
    result[name] = None if image is None else [digest(image)] + [digest(cv2.resize(image, (w, h))) for w, h in sizes]
print(json.dumps(result))
`;

/** INTER_AREA's planar pixels of one file at each size, in base64. */
const AREA_SCRIPT = `
import base64, cv2, json, sys
image = cv2.imread(sys.argv[1], cv2.IMREAD_COLOR)
cv2.ipp.setUseIPP(False)
resized = [cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA) for w, h in json.loads(sys.argv[2])]
print(json.dumps([base64.b64encode(pixels.transpose(2, 0, 1).tobytes()).decode() for pixels in resized]))
`;

const WIDTH = 66;
const HEIGHT = 50;
/** Shrunk, grown, one side each, halved exactly (but not by rounding), the same size, and the extremes. */
const SIZES: readonly [number, number][] = [
  [256, 256],
  [33, 25],
  [33, 24],
  [17, 9],
  [64, 100],
  [WIDTH, HEIGHT],
  [1, 1],
  [132, 100],
];

type Digests = Record<string, string[] | null>;

/** In this order: as it is, then at each of the sizes. */
function pipelinesFor(sizes: readonly [number, number][], turbojpeg: Turbojpeg | undefined): PixelPipeline[] {
  return [
    createPixelPipeline({ resize: { resize: 'none' }, turbojpeg }),
    ...sizes.map(([width, height]) =>
      createPixelPipeline({ resize: { resize: 'caffe', fit: 'exact', size: { width, height } }, turbojpeg }),
    ),
  ];
}

async function digestsOf(folder: string, pipelines: readonly PixelPipeline[]): Promise<Digests> {
  const digests: Digests = {};
  for (const name of readdirSync(folder)) {
    const file = readFileSync(join(folder, name));
    const made = Promise.all(pipelines.map(async (pipeline) => sha256((await pipeline.convert(file)).data)));
    digests[name] = await made.catch((error: unknown) => {
      if (codeOf(error) !== 'ERR_IMAGE_UNREADABLE') throw error;
      return null;
    });
  }
  return digests;
}

const { turbojpeg: found } = findTurbojpeg();
const DECODERS: readonly (readonly [string, Turbojpeg | undefined])[] = [
  ...(found === undefined ? [] : [['libturbojpeg', found] as const]),
  ['sharp alone', undefined],
];

describe('OpenCV', () => {
  const folder = temporaryFolder();
  const images = (): string => join(folder.path, 'images');
  let expected: Digests;

  before(async () => {
    mkdirSync(images());
    for (const [name, bytes] of await makeImages()) writeFileSync(join(images(), name), bytes);
    expected = JSON.parse(await runPython(SCRIPT, [images(), JSON.stringify(SIZES)])) as Digests;
  });

  for (const [decoder, turbojpeg] of DECODERS) {
    describe(`with ${decoder}`, () => {
      let ours: Digests;

      before(async () => {
        ours = await digestsOf(images(), pipelinesFor(SIZES, turbojpeg));
      });

      for (const [what, pattern] of [
        ['JPEGs of every kind', /^jpeg-/],
        ['JPEGs cut short at every tenth', /^cut-\d+\.jpg$/],
        ['PNGs of every kind', /^png-/],
        ['PNGs cut short', /^cut-\d+\.png$/],
        ['every EXIF orientation', /^exif-/],
        ['CMYK and YCCK JPEGs', /^cmyk-/],
        ['other formats', /^other-/],
        ['what is no image', /^bad-/],
      ] as const) {
        it(`gives the same pixels for ${what}`, () => {
          const names = Object.keys(expected).filter((name) => pattern.test(name));
          assert.ok(names.length > 0);
          for (const name of names) assert.deepEqual(ours[name], expected[name], name);
        });
      }

      it('gives the same pixels for what is not to be turned', async () => {
        const theirs = JSON.parse(await runPython(SCRIPT, [images(), '[]', 'ignore'])) as Digests;
        assert.notDeepEqual(theirs['exif-6.jpg'], expected['exif-6.jpg']?.slice(0, 1));
        const pipeline = createPixelPipeline({ resize: { resize: 'none' }, exif: 'ignore', turbojpeg });
        assert.deepEqual(await digestsOf(images(), [pipeline]), theirs);
      });

      it('reads no JPEG that is cut short when told not to, and all else', async () => {
        const pipeline = createPixelPipeline({ resize: { resize: 'none' }, truncated: 'reject', turbojpeg });
        const strict = await digestsOf(images(), [pipeline]);
        for (const [name, digests] of Object.entries(expected)) {
          assert.deepEqual(strict[name], name.startsWith('cut-') ? null : (digests?.slice(0, 1) ?? null), name);
        }
      });
    });
  }

  it('INTER_AREA differs from area by 1 at most', async () => {
    const name = 'png-rgb.png';
    const sizes: [number, number][] = [
      [33, 25],
      [40, 31],
      [17, 9],
      [65, 49],
      [1, 1],
    ];
    const theirs = JSON.parse(await runPython(AREA_SCRIPT, [join(images(), name), JSON.stringify(sizes)])) as string[];
    for (const [i, [width, height]] of sizes.entries()) {
      const resize = { resize: 'area', fit: 'exact', size: { width, height } } as const;
      const { data } = await createPixelPipeline({ resize, turbojpeg: undefined }).convert(
        readFileSync(join(images(), name)),
      );
      const expectedPixels = Buffer.from(theirs[i], 'base64');
      assert.equal(data.length, expectedPixels.length);
      const furthest = data.reduce((most, value, at) => Math.max(most, Math.abs(value - expectedPixels[at])), 0);
      assert.ok(furthest <= 1, `${width}×${height}: ${furthest}`);
    }
  });

  it('gives the same pixels for 500 photographs at 256×256', async function () {
    this.timeout(300_000);
    const { testData } = readEnvironment();
    const { train, val } = photographArchives(testData);
    if (!existsSync(train) || !existsSync(val)) {
      process.stdout.write(`    (no ${train}: set MILLRACE_TEST_DATA to compare real images)\n`);
      this.skip();
    }
    unpackPhotographs(testData, folder.path);
    const photographs = join(folder.path, 'photographs');
    execFileSync('sh', ['-c', 'mkdir photographs && mv val/* train/*/* photographs'], { cwd: folder.path });
    const sizes: [number, number][] = [[256, 256]];
    const [text, ...ours] = await Promise.all([
      runPython(SCRIPT, [photographs, JSON.stringify(sizes)]),
      ...DECODERS.map(([, turbojpeg]) => digestsOf(photographs, pipelinesFor(sizes, turbojpeg))),
    ]);
    const theirs = JSON.parse(text) as Digests;
    assert.equal(Object.keys(theirs).length, 500);
    for (const digests of ours) assert.deepEqual(digests, theirs);
  });
});

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function makeImages(): Promise<[string, Buffer][]> {
  const made: [string, Buffer][] = [];
  const add = async (name: string, image: Sharp): Promise<Buffer> => {
    const bytes = await image.toBuffer();
    made.push([name, bytes]);
    return bytes;
  };
  const jpeg = await add('jpeg-90.jpg', noise(3).jpeg({ quality: 90 }));
  await add('jpeg-420.jpg', noise(3).jpeg({ quality: 60, chromaSubsampling: '4:2:0' }));
  await add('jpeg-444.jpg', noise(3).jpeg({ quality: 100, chromaSubsampling: '4:4:4' }));
  await add('jpeg-progressive.jpg', noise(3).jpeg({ progressive: true }));
  await add('jpeg-grey.jpg', noise(1).toColourspace('b-w').jpeg());
  await add('jpeg-profile.jpg', noise(3).withIccProfile('p3').jpeg());
  made.push(['jpeg-corrupt.jpg', Buffer.from(jpeg).fill(0x55, jpeg.length / 2, jpeg.length / 2 + 20)]);
  for (let tenth = 1; tenth < 10; tenth++) {
    made.push([`cut-${tenth}.jpg`, jpeg.subarray(0, Math.floor((jpeg.length * tenth) / 10))]);
  }
  const png = await add('png-rgb.png', noise(3).png());
  await add('png-rgba.png', noise(4).png());
  await add('png-grey.png', noise(1).toColourspace('b-w').png());
  await add('png-palette.png', noise(3).png({ palette: true }));
  await add('png-16.png', deepNoise().toColourspace('rgb16').png());
  made.push(['png-named-as.JPEG', png]);
  for (const fifth of [1, 3, 4]) made.push([`cut-${fifth}.png`, png.subarray(0, Math.floor((png.length * fifth) / 5))]);
  for (let orientation = 1; orientation <= 8; orientation++) {
    await add(`exif-${orientation}.jpg`, noise(3).jpeg().withMetadata({ orientation }));
    await add(`exif-${orientation}.png`, noise(3).png().withMetadata({ orientation }));
    await add(`exif-${orientation}.webp`, noise(3).webp({ lossless: true }).withMetadata({ orientation }));
  }
  await add('cmyk-plain.jpg', noise(3).toColourspace('cmyk').jpeg({ quality: 95 }));
  made.push(['cmyk-ycck.jpg', YCCK_JPEG]);
  await add('cmyk-turned.jpg', noise(3).toColourspace('cmyk').jpeg().withMetadata({ orientation: 6 }));
  const gif = await add('other-a.gif', noise(3).gif());
  const webp = await add('other-a.webp', noise(3).webp());
  const tiff = await add('other-a.tiff', noise(3).tiff());
  for (const [type, file] of Object.entries({ gif, webp, tiff })) {
    made.push([`bad-cut.${type}`, file.subarray(0, file.length / 2)]);
  }
  made.push(['bad-checksum.png', Buffer.from(png).fill(0, png.length - 16, png.length - 12)]);
  made.push(['bad-drawing.jpg', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')]);
  made.push(['bad-empty.jpg', Buffer.alloc(0)], ['bad-text.jpg', Buffer.from('no image')]);
  return made;
}

/** Ramps with noise upon them: both smooth and sharp parts. */
function noise(channels: 1 | 3 | 4): Sharp {
  const pixels = Buffer.alloc(WIDTH * HEIGHT * channels);
  let state = 1;
  for (let i = 0; i < pixels.length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    pixels[i] = (Math.floor(i / channels) % WIDTH) * 3 + (state >>> 25);
  }
  return sharp(pixels, { raw: { width: WIDTH, height: HEIGHT, channels } });
}

function deepNoise(): Sharp {
  const pixels = Uint16Array.from({ length: WIDTH * HEIGHT * 3 }, (_, i) => i * 40_503);
  return sharp(pixels, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
}
