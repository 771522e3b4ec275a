/**
 * `millrace prepare` as a whole, from its start to its end: images/s, CPU of all its processes, memory. Beside it OpenCV and
 * py-lmdb in Python, and C programs that do nothing else than they must: the floors. Each goes over a few images and over many, so
 * that what an image costs is told apart from what starting and ending costs.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makePrepareData } from './prepare-data.js';
import { benchPrepareParts } from './prepare-parts.js';
import { findWays, type Way, type WayKind } from './prepare-ways.js';
import { median, publish } from './report.js';

const execute = promisify(execFile);

const NUM_RUNS = 3;
/** How often all images are converted: few times, and many. */
const FEW = 4;
const MANY = 16;

/** Of one command and all its processes. */
interface Figures {
  readonly wallMs: number;
  readonly cpuMs: number;
  /** Of the largest process. */
  readonly peakMb: number;
}

/** One after the other, hence comparable. */
interface Pair {
  readonly few: Figures;
  readonly many: Figures;
}

export async function benchPrepare(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  try {
    const data = await makePrepareData(folder, [FEW, MANY]);
    if (data === undefined) {
      console.log('prepare: left out, the test data is not there (MILLRACE_TEST_DATA)');
      return;
    }
    const notes: string[] = [];
    const ways = await findWays(data, folder, notes);
    const pairs = new Map<Way, Pair[]>(ways.map((way) => [way, []]));
    for (let run = 1; run <= NUM_RUNS; run++) {
      for (const way of ways) {
        console.log(`prepare: run ${run} of ${NUM_RUNS}: ${way.name}`);
        const few = await measure(way.commandLine(FEW), folder);
        pairs.get(way)?.push({ few, many: await measure(way.commandLine(MANY), folder) });
      }
    }
    report(data.numImages, pairs, notes);
    await benchPrepareParts(data, MANY, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(commandLine: string, folder: string): Promise<Figures> {
  const out = mkdtempSync(join(folder, 'out-'));
  try {
    const { stderr } = await execute('/usr/bin/time', ['-f', '%e %U %S %M', 'sh', '-c', commandLine], {
      env: { ...process.env, OUT: out },
      maxBuffer: 1 << 26,
    });
    const [wall, user, system, peakKb] = (stderr.trimEnd().split('\n').at(-1) ?? '').split(' ').map(Number);
    return { wallMs: wall * 1000, cpuMs: (user + system) * 1000, peakMb: peakKb / 1000 };
  } finally {
    rmSync(out, { recursive: true });
  }
}

function report(numImages: number, pairs: ReadonlyMap<Way, readonly Pair[]>, missing: readonly string[]): void {
  type Cost = 'cpuMs' | 'wallMs';
  const numMore = (MANY - FEW) * numImages;
  const ofOneMore = ({ few, many }: Pair, cost: Cost): number => (many[cost] - few[cost]) / numMore;
  const ofAll = ({ many }: Pair, cost: Cost): number => many[cost] / (MANY * numImages);
  const runsOf = (kind: WayKind, numProcesses: number): readonly Pair[] => {
    const way = [...pairs.keys()].find((known) => known.kind === kind && known.numProcesses === numProcesses);
    return (way && pairs.get(way)) ?? [];
  };
  // Run by run: what slows the machine for a while slows both.
  const ratio = (runs: readonly Pair[], others: readonly Pair[], of: (pair: Pair) => number): number | undefined =>
    runs.length === 0 || others.length === 0 ? undefined : median(runs.map((run, i) => of(run) / of(others[i])));
  const show = (value: number | undefined): string => value?.toFixed(2) ?? '–';
  const bar = (what: string, value: number | undefined, unit: string, holds: (value: number) => boolean): string =>
    value === undefined
      ? `${what}: not measured.`
      : `${what}: ${unit === '×' ? `${value.toFixed(2)} ×` : `${value.toFixed(0)} ${unit}`}, ${holds(value) ? 'holds' : 'does not hold'}.`;

  const one = runsOf('prepare', 1);
  const two = runsOf('prepare', 2);
  const cpuOfOneMore = (pair: Pair): number => ofOneMore(pair, 'cpuMs');
  const wallOfOneMore = (pair: Pair): number => ofOneMore(pair, 'wallMs');
  publish({
    name: 'prepare',
    title: '`millrace prepare --resize caffe --record raw`, whole',
    notes: [
      `${MANY * numImages} photographs of ImageNet (${numImages}, again and again) to raw records of 256 × 256, and ${FEW * numImages} of them to tell what one image more`,
      `costs, without starting and ending; medians of ${NUM_RUNS} alternating runs. The whole is from the start of the command to its end: reading the`,
      'list, starting workers, flushing shards, the mean. CPU is user + system of all processes; peak memory is that of the largest one.',
      'The floors read no archive; the second writes each record to a plain file, flushed at the end. CPU of the floors and speed of',
      'OpenCV + py-lmdb compare one image more.',
      '',
      'What was asked for, with 2 workers, by one image more:',
      '',
      bar('- ≥ 1,000 images/s', 1000 / median(two.map(wallOfOneMore)), 'images/s', (value) => value >= 1000),
      bar(
        '- CPU ≤ 1.15 × that of decoding and resizing in C',
        ratio(two, runsOf('floor', 2), cpuOfOneMore),
        '×',
        (value) => value <= 1.15,
      ),
      bar('- 1 → 2 workers ≥ 1.8 × as fast', ratio(one, two, wallOfOneMore), '×', (value) => value >= 1.8),
      bar(
        '- ≥ 1.6 × OpenCV + py-lmdb (whose OpenCV of PyPI decodes at the speed of the floor)',
        ratio(runsOf('peer', 2), two, wallOfOneMore),
        '×',
        (value) => value >= 1.6,
      ),
      ...missing,
    ],
    columns: [
      'way',
      'images/s',
      'images/s more',
      'CPU ms/image',
      'CPU ms more',
      'CPU of floor',
      'of storing floor',
      'speed of OpenCV',
      'peak MB',
    ],
    rows: [...pairs].map(([{ name, numProcesses }, runs]) => [
      name,
      median(runs.map((pair) => 1000 / ofAll(pair, 'wallMs'))).toFixed(0),
      (1000 / median(runs.map(wallOfOneMore))).toFixed(0),
      median(runs.map((pair) => ofAll(pair, 'cpuMs'))).toFixed(3),
      median(runs.map(cpuOfOneMore)).toFixed(3),
      show(ratio(runs, runsOf('floor', numProcesses), cpuOfOneMore)),
      show(ratio(runs, runsOf('storing-floor', numProcesses), cpuOfOneMore)),
      show(ratio(runsOf('peer', numProcesses), runs, wallOfOneMore)),
      Math.max(...runs.map(({ many }) => many.peakMb)).toFixed(0),
    ]),
  });
}
