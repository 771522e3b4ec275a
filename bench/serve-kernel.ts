/** The kernel of batch assembly beside the same loops in C. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { mix32 } from '../lib/core/keyed-hash.js';
import { completeTransform } from '../lib/core/presets.js';
import { numElements, type Dtype, type Layout } from '../lib/core/tensor.js';
import { createSamplePlacer, kernelValues, placedBytes } from '../lib/pixels/sample-kernels.js';
import { createSharedMemory } from '../lib/pixels/sample-kernels-module.js';
import { packageRoot } from '../lib/platform/package-root.js';
import { median, publish } from './report.js';

const execute = promisify(execFile);

const NUM_RUNS = 5;
const NUM_IMAGES = 4_000;
const STORED = { height: 256, width: 256, channels: 3 };
const CROP = 227;
// As many as the C program has: more than a core's own cache, less than all of the last one.
const NUM_RECORDS = 16;
const NUM_TARGETS = 8;

const DTYPES: readonly Dtype[] = ['uint8', 'float32', 'float16', 'bfloat16'];
const LAYOUTS: readonly Layout[] = ['NHWC', 'NCHW'];

export async function benchServeKernel(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  try {
    const floor = join(folder, 'floor');
    await execute('gcc', ['-O3', '-march=native', join(packageRoot(), 'bench', 'serve-kernel-floor.c'), '-o', floor]);
    const ways = DTYPES.flatMap((dtype) => LAYOUTS.map((layout) => ({ name: `${dtype} ${layout}`, dtype, layout })));
    const ours = new Map<string, number[]>(ways.map(({ name }) => [name, []]));
    const inC = new Map<string, number[]>(ways.map(({ name }) => [name, []]));
    const place = ways.map(({ dtype, layout }) => createPlacer(dtype, layout));
    for (const run of place) imagesPerCpuSecond(run);
    for (let run = 0; run < NUM_RUNS; run++) {
      const { stdout } = await execute(floor, [String(NUM_IMAGES)]);
      const rates = JSON.parse(stdout) as Record<string, number>;
      ways.forEach(({ name }, i) => {
        inC.get(name)?.push(rates[name]);
        ours.get(name)?.push(imagesPerCpuSecond(place[i]));
      });
    }
    publish({
      name: 'serve-kernel',
      title: 'Placing samples in batches: the kernel beside C',
      notes: [
        `A window of ${CROP}×${CROP} out of a planar 256×256 record, every other one mirrored, floats minus the mean image; images per second of one`,
        `core's CPU time, medians of ${NUM_RUNS} alternating runs of ${NUM_IMAGES} images, and of their ratios. C: bench/serve-kernel-floor.c, gcc -O3`,
        '-march=native, which has twice as wide vectors here as WebAssembly.',
      ],
      columns: ['elements', 'WebAssembly, images/s', 'C, images/s', 'of C'],
      rows: ways.map(({ name }) => {
        const [own, peer] = [ours.get(name) ?? [], inC.get(name) ?? []];
        const ratio = median(own.map((rate, i) => rate / peer[i]));
        return [name, median(own).toFixed(0), median(peer).toFixed(0), ratio.toFixed(2)];
      }),
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Places the i-th sample of a run. */
type Place = (i: number) => void;

function createPlacer(dtype: Dtype, layout: Layout): Place {
  const transform = completeTransform({ cropSize: CROP, mirror: true, dtype, layout });
  const recordBytes = numElements(STORED);
  const targetBytes = placedBytes(transform, STORED);
  const values = 64 + NUM_RECORDS * recordBytes;
  const scratch = values + (recordBytes + 64) * 4;
  const target = scratch + 65_536;
  const memory = createSharedMemory(target + NUM_TARGETS * targetBytes);
  const bytes = new Uint8Array(memory.buffer);
  for (let i = 64; i < values; i++) bytes[i] = mix32(i) >>> 24;
  const image = Float32Array.from({ length: recordBytes }, (_, i) => mix32(i) / 2 ** 24);
  const numbers = kernelValues(transform, STORED, { image, channels: [104, 117, 123] });
  new Float32Array(memory.buffer, values, numbers.length).set(numbers);
  const place = createSamplePlacer(memory, { scratch, values }, transform, STORED);
  return (i) => {
    const window = { y: i % 30, x: (i * 7) % 30, height: CROP, width: CROP, isMirrored: i % 2 === 1 };
    place(64 + (i % NUM_RECORDS) * recordBytes, window, target + (i % NUM_TARGETS) * targetBytes);
  };
}

function imagesPerCpuSecond(place: Place): number {
  const before = process.cpuUsage();
  for (let i = 0; i < NUM_IMAGES; i++) place(i);
  const { user, system } = process.cpuUsage(before);
  return NUM_IMAGES / ((user + system) / 1e6);
}
