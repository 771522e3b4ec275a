/** One process of the pixels bench: converts a pack of JPEGs over and over and prints a JSON line. */
import { readFileSync } from 'node:fs';
import { createPixelPipeline } from '../lib/pixels/pixel-pipeline.js';
import { findTurbojpeg, NO_TURBOJPEG } from '../lib/pixels/turbojpeg.js';
import { readEnvironment } from '../lib/platform/environment.js';
import { unpack, type PixelsRun } from './pixels-pack.js';

const [packPath, rounds, decoder, resize] = process.argv.slice(2);
const files = unpack(readFileSync(packPath));
const { turbojpeg, reason } = findTurbojpeg(decoder === 'sharp' ? NO_TURBOJPEG : readEnvironment().turbojpeg);
if (turbojpeg === undefined && decoder !== 'sharp') throw new Error(reason);
const pipeline = createPixelPipeline({
  resize: { resize: resize === 'area' ? 'area' : 'caffe', fit: 'exact', size: { width: 256, height: 256 } },
  turbojpeg,
});

async function convertAll(use: (pixels: Uint8Array) => void): Promise<void> {
  for (const file of files) {
    const made = pipeline.convert(file);
    use((made instanceof Promise ? await made : made).data);
  }
}

let checksum = 0;
await convertAll((pixels) => {
  for (const value of pixels) checksum = (Math.imul(checksum, 31) + value) >>> 0;
});
const before = process.cpuUsage();
const beganAtMs = performance.now();
for (let round = 0; round < Number(rounds); round++) await convertAll(() => undefined);
const { user, system } = process.cpuUsage(before);
const run: PixelsRun = {
  numImages: files.length * Number(rounds),
  cpuMs: (user + system) / 1000,
  wallMs: performance.now() - beganAtMs,
  peakKb: process.resourceUsage().maxRSS,
  checksum,
};
process.stdout.write(`${JSON.stringify(run)}\n`);
