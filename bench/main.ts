/** `make bench` and its kin: the benches that are named, or all. */
import { benchDownload } from './download.js';
import { benchOrder } from './order.js';
import { benchPixels } from './pixels.js';
import { benchPrepare } from './prepare.js';
import { benchPrepareMemory } from './prepare-memory.js';
import { benchServe } from './serve.js';
import { benchServeCold } from './serve-cold.js';
import { benchServeJpeg } from './serve-jpeg.js';
import { benchServeKernel } from './serve-kernel.js';
import { benchServeShared } from './serve-shared.js';
import { benchServeSoak } from './serve-soak.js';
import { benchTrain } from './train.js';

const BENCHES: Readonly<Record<string, () => void | Promise<void>>> = {
  order: benchOrder,
  download: benchDownload,
  pixels: benchPixels,
  serve: benchServe,
  'serve-kernel': benchServeKernel,
  'serve-shared': benchServeShared,
  'serve-jpeg': benchServeJpeg,
  prepare: benchPrepare,
};

/** Benches that take too long to be run unless they are named. */
const LONG_BENCHES: typeof BENCHES = {
  'prepare-memory': benchPrepareMemory,
  'serve-cold': benchServeCold,
  'serve-soak': benchServeSoak,
  train: () => benchTrain(),
};

const asked = process.argv.slice(2);
const unknown = asked.find((name) => !(name in BENCHES || name in LONG_BENCHES));
if (unknown !== undefined) {
  console.error(`unknown bench "${unknown}"; there is ${Object.keys({ ...BENCHES, ...LONG_BENCHES }).join(', ')}`);
  process.exit(2);
}
for (const name of asked.length > 0 ? asked : Object.keys(BENCHES)) await (BENCHES[name] ?? LONG_BENCHES[name])();
