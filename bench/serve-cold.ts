/** A split that the page cache does not have: what each shuffle makes of a disk, beside the same from memory. */
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { residentBytes } from '../lib/platform/page-cache.js';
import { splitFolder } from '../lib/platform/root-layout.js';
import { DATA_FILE } from '../lib/shards/lmdb-file.js';
import { Shuffle, type StreamBatchesRequest } from '../protos/gen/millrace/v1/batch.js';
import { median, publish } from './report.js';
import { startServeBench, type ServeRun } from './serve-bench.js';

const execute = promisify(execFile);

const NUM_RUNS = 3;
/** 2.4 GB. `MILLRACE_COLD_SAMPLES` is for a short try. */
const NUM_SAMPLES = Number(process.env['MILLRACE_COLD_SAMPLES'] ?? 12_000);
/** Of a raw 256×256 record, in whole pages. */
const RECORD_BYTES = 200_704;
const MAX_RESIDENT_SHARE = 0.01;

const ORDERS: readonly (readonly [string, Partial<StreamBatchesRequest>])[] = [
  ['full', { shuffle: Shuffle.FULL }],
  ['blocks, 64 samples × 128', { shuffle: Shuffle.BLOCKS }],
  ['blocks, 512 samples × 4', { shuffle: Shuffle.BLOCKS, blockSamples: 512, windowBlocks: 4 }],
  ['none', { shuffle: Shuffle.NONE }],
];

interface Pair {
  readonly cold: ServeRun;
  readonly warm: ServeRun;
}

export async function benchServeCold(): Promise<void> {
  const bench = await startServeBench({ numSamples: NUM_SAMPLES });
  try {
    const epoch = { seed: 1, numEpochs: 1, transform: { cropSize: 227, mirror: true } };
    const shards = await shardsOf(bench.root);
    // Opens all shards, whose indexes stay.
    await bench.drain(epoch, 1, true);
    const pairs = ORDERS.map((): Pair[] => []);
    for (let run = 0; run < NUM_RUNS; run++) {
      for (const [i, [, order]] of ORDERS.entries()) {
        const request = { ...epoch, ...order };
        await evict(shards);
        const cold = await bench.drain(request, 1, true);
        const warm = await bench.drain(request, 1, true);
        pairs[i].push({ cold, warm });
      }
    }
    const readWarm = Math.max(...pairs.flat().map(({ warm }) => warm.diskBytes / warm.numImages));
    publish({
      name: 'serve-cold',
      title: 'A cold page cache',
      notes: [
        `As in serve.md, uint8 NHWC, one epoch of ${NUM_SAMPLES} samples in ${shards.length} shards; cold: after all of them were evicted from the page cache`,
        `(fincore says so), warm: right after that. Medians of ${NUM_RUNS} alternating runs, and of their ratios. Read: from the disk, by the server's process; a`,
        `record takes 200.7 kB in its shard, and ${(readWarm / 1000).toFixed(1)} kB at most were read when it was warm.`,
      ],
      columns: ['shuffle', 'cold, images/s', 'warm, images/s', 'of warm', 'cold, kB read/image', 'cold, MB read/s'],
      rows: ORDERS.map(([name], i) => {
        const [cold, warm] = [pairs[i].map((pair) => rateOf(pair.cold)), pairs[i].map((pair) => rateOf(pair.warm))];
        return [
          name,
          median(cold).toFixed(0),
          median(warm).toFixed(0),
          median(cold.map((rate, run) => rate / warm[run])).toFixed(2),
          median(pairs[i].map((pair) => pair.cold.diskBytes / pair.cold.numImages / 1e3)).toFixed(1),
          median(pairs[i].map((pair) => pair.cold.diskBytes / pair.cold.seconds / 1e6)).toFixed(0),
        ];
      }),
    });
  } finally {
    bench.close();
  }
}

async function shardsOf(root: string): Promise<string[]> {
  const split = splitFolder(root, 'bench', 'train');
  const names = await readdir(split);
  return names.filter((name) => name.startsWith('shard-')).map((name) => join(split, name, DATA_FILE));
}

function rateOf({ numImages, seconds }: ServeRun): number {
  return numImages / seconds;
}

/** Has the system forget files' pages. Throws when it does not, as on a file system that is memory, or cannot tell. */
async function evict(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    // What dd makes of it is POSIX_FADV_DONTNEED of the whole file.
    const way = ['oflag=nocache', 'conv=notrunc,fdatasync', 'count=0', 'status=none'];
    await execute('dd', ['if=/dev/null', `of=${path}`, ...way]);
  }
  const resident = await residentBytes(paths);
  if (resident === undefined) throw new Error("the page cache cannot be looked into; install util-linux' fincore");
  const share = resident.reduce((sum, one) => sum + one, 0) / (NUM_SAMPLES * RECORD_BYTES);
  if (share > MAX_RESIDENT_SHARE) {
    throw new Error(`${(100 * share).toFixed(0)} % of the shards stay in memory; set TMPDIR to a folder on a disk`);
  }
}
