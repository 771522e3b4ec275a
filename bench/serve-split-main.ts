/**
 * Makes the splits of a serve bench: `bench` of noise and, with a pack of images, `originals` and `jpeg`. In a process of its own, since LMDB
 * keeps what it wrote mapped, and such pages stay in memory. Arguments: folder, samples of `bench`, and the pack's path if any.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { encodeJpeg, toPicture } from '../lib/pixels/encode.js';
import { createPixelPipeline } from '../lib/pixels/pixel-pipeline.js';
import { makeSplit } from '../test/fixtures/split.js';
import { pack, unpack } from './pixels-pack.js';

const [folder, numSamples] = process.argv.slice(2);
const packPath = process.argv.at(4);
const fixture = { split: 'train', shape: { height: 256, width: 256, channels: 3 }, shardSamples: 250 };
await makeSplit(folder, { ...fixture, dataset: 'bench', numSamples: Number(numSamples) });
if (packPath !== undefined) {
  const originals = unpack(readFileSync(packPath));
  await makeSplit(folder, { ...fixture, dataset: 'originals', numSamples: originals.length, originals });
  const pipeline = createPixelPipeline({
    resize: { resize: 'caffe', fit: 'exact', size: fixture.shape },
    turbojpeg: undefined,
  });
  const encoded: Buffer[] = [];
  for (const file of originals) {
    const { data, ...shape } = await pipeline.convert(file);
    encoded.push(await encodeJpeg({ ...toPicture(shape, data), quality: 95 }));
  }
  await makeSplit(folder, { ...fixture, dataset: 'jpeg', numSamples: encoded.length, originals: encoded });
  writeFileSync(`${packPath}-256`, pack(encoded));
}
