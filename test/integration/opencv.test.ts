/** Decoding and resizing against OpenCV itself, to the last bit, on images made here. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { decodeImage } from '../../lib/pixels/decode.js';
import { resizeBilinear, toPlanarBgr } from '../../lib/pixels/resize-bilinear.js';
import { runPython } from '../fixtures/run-command.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

/** For each file: SHA-256 of its planar pixels, and of those resized to each size; null when it cannot be read. */
const SCRIPT = `
import cv2, hashlib, json, os, sys
folder, sizes = sys.argv[1], json.loads(sys.argv[2])
cv2.ipp.setUseIPP(False)
digest = lambda image: hashlib.sha256(image.transpose(2, 0, 1).tobytes()).hexdigest()
result = {}
for name in os.listdir(folder):
    image = cv2.imread(os.path.join(folder, name), cv2.IMREAD_COLOR)
    result[name] = None if image is None else [digest(image)] + [digest(cv2.resize(image, (w, h))) for w, h in sizes]
print(json.dumps(result))
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

describe('OpenCV', () => {
  const folder = temporaryFolder();
  let expected: Record<string, string[] | null>;
  const ours: Record<string, string[] | null> = {};

  before(async () => {
    const images = join(folder.path, 'images');
    mkdirSync(images);
    for (const [name, bytes] of await makeImages()) writeFileSync(join(images, name), bytes);
    expected = JSON.parse(await runPython(SCRIPT, [images, JSON.stringify(SIZES)])) as typeof expected;
    for (const name of readdirSync(images)) {
      const image = await decodeImage(readFileSync(join(images, name))).catch(() => undefined);
      ours[name] =
        image === undefined
          ? null
          : [toPlanarBgr(image), ...SIZES.map(([width, height]) => resizeBilinear(image, width, height))].map(sha256);
    }
  });

  for (const [what, pattern] of [
    ['JPEGs of every kind', /^jpeg-/],
    ['JPEGs cut short at every tenth', /^cut-\d+\.jpg$/],
    ['PNGs of every kind', /^png-/],
    ['PNGs cut short', /^cut-\d+\.png$/],
    ['every EXIF orientation', /^exif-/],
    ['CMYK JPEGs', /^cmyk-/],
    ['other formats', /^other-/],
    ['what is no image', /^bad-/],
  ] as const) {
    it(`gives the same pixels for ${what}`, () => {
      const names = Object.keys(expected).filter((name) => pattern.test(name));
      assert.ok(names.length > 0);
      for (const name of names) assert.deepEqual(ours[name], expected[name], name);
    });
  }
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
  await add('cmyk-turned.jpg', noise(3).toColourspace('cmyk').jpeg().withMetadata({ orientation: 6 }));
  await add('other-a.gif', noise(3).gif());
  await add('other-a.webp', noise(3).webp());
  await add('other-a.tiff', noise(3).tiff());
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
