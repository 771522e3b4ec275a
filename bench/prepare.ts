/**
 * `millrace prepare` as a whole, from its start to its end: images/s, CPU of all its processes, memory. Beside it OpenCV and
 * py-lmdb in Python, and a C program that decodes and resizes and does nothing else: the floor.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../lib/platform/package-root.js';
import { makePrepareData, type PrepareData } from './prepare-data.js';
import { benchPrepareParts } from './prepare-parts.js';
import { median, publish } from './report.js';

const execute = promisify(execFile);

const NUM_RUNS = 3;
/** Of all images, for a process alone; a pair shares them. */
const NUM_ROUNDS = 40;

interface Way {
  readonly name: string;
  /** Processes that convert at a time. */
  readonly numProcesses: number;
  /** A shell's command line that converts all images `NUM_ROUNDS` times. `$OUT` is a new folder. */
  readonly commandLine: string;
}

/** Of one command and all its processes. */
interface Figures {
  readonly wallMs: number;
  readonly cpuMs: number;
  /** Of the largest process. */
  readonly peakMb: number;
}

export async function benchPrepare(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  try {
    const data = await makePrepareData(folder, NUM_ROUNDS);
    if (data === undefined) {
      console.log('prepare: left out, the test data is not there (MILLRACE_TEST_DATA)');
      return;
    }
    const notes: string[] = [];
    const ways = await findWays(data, folder, notes);
    const figures = new Map<Way, Figures[]>(ways.map((way) => [way, []]));
    for (let run = 0; run < NUM_RUNS; run++) {
      for (const way of ways) figures.get(way)?.push(await measure(way, folder));
    }
    report(data.numImages * NUM_ROUNDS, ways, figures, notes);
    await benchPrepareParts(data, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function findWays({ root, dataset, packPath }: PrepareData, folder: string, notes: string[]): Promise<Way[]> {
  const main = join(packageRoot(), 'dist', 'cli', 'main.js');
  const ours = (numProcesses: number): Way => ({
    name: `millrace prepare, ${numProcesses} ${numProcesses === 1 ? 'worker' : 'workers'}`,
    numProcesses,
    commandLine:
      `${process.execPath} ${main} prepare ${dataset} --root ${root} --size 256 --workers ${numProcesses} --as out >&2; ` +
      `mv ${root}/datasets/out $OUT`,
  });
  /** As many processes as are asked for, each with its part of the rounds. */
  const others = (name: string, numProcesses: number, program: (rounds: number, process: number) => string): Way => ({
    name: `${name}, ${numProcesses} ${numProcesses === 1 ? 'process' : 'processes'}`,
    numProcesses,
    commandLine: [
      ...Array.from({ length: numProcesses }, (_, i) => `${program(NUM_ROUNDS / numProcesses, i)} >&2 &`),
      'wait',
    ].join(' '),
  });
  const ways = [ours(1), ours(2)];
  const floor = join(folder, 'pixels-floor');
  try {
    const source = join(packageRoot(), 'bench', 'pixels-floor.c');
    await execute('gcc', ['-O3', '-march=native', source, '-o', floor, '-ljpeg', '-lm']);
    // It goes through the pack once more than it is told.
    const program = (rounds: number): string => `${floor} ${packPath} ${rounds - 1}`;
    ways.push(others(FLOOR, 1, program), others(FLOOR, 2, program));
  } catch {
    notes.push("No C floor: it needs gcc and libjpeg's headers (Debian: libjpeg62-turbo-dev).");
  }
  const python = join(packageRoot(), '.venv', 'bin', 'python');
  if (existsSync(python)) {
    const peer = join(packageRoot(), 'bench', 'prepare-peer.py');
    const program = (rounds: number, i: number): string => `${python} ${peer} ${packPath} ${rounds} $OUT/${i}`;
    ways.push(others(PEER, 1, program), others(PEER, 2, program));
  } else {
    notes.push('No OpenCV and py-lmdb: "make tools" sets them up.');
  }
  return ways;
}

const FLOOR = 'C floor (decode and resize only)';
const PEER = 'OpenCV + py-lmdb';

async function measure({ commandLine }: Way, folder: string): Promise<Figures> {
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

function report(
  numImages: number,
  ways: readonly Way[],
  figures: ReadonlyMap<Way, readonly Figures[]>,
  notes: readonly string[],
): void {
  const of = (way: Way): readonly Figures[] => figures.get(way) ?? [];
  const find = (name: string, numProcesses: number): Way | undefined =>
    ways.find((way) => way.name.startsWith(name) && way.numProcesses === numProcesses);
  // Run by run: what slows the machine for a while slows both.
  const ratio = (way: Way, other: Way | undefined, what: 'cpuMs' | 'wallMs'): string =>
    other === undefined ? '–' : median(of(way).map((run, i) => run[what] / of(other)[i][what])).toFixed(2);
  const [one, two] = ways;
  publish({
    name: 'prepare',
    title: '`millrace prepare --resize caffe --record raw`, whole',
    notes: [
      `${numImages} photographs of ImageNet (399, again and again) to raw records of 256 × 256; medians of ${NUM_RUNS} alternating runs.`,
      'From the start of the command to its end: reading the list, starting workers, flushing shards, the mean. CPU is user + system',
      'of all processes; peak memory is that of the largest one. The floor reads no archive and writes nothing.',
      `From 1 to 2 workers the whole goes ${ratio(one, two, 'wallMs')} × as fast.`,
      ...notes,
    ],
    columns: ['way', 'images/s', 'CPU ms/image', 'CPU of the floor', 'speed of OpenCV + py-lmdb', 'peak MB'],
    rows: ways.map((way) => {
      const peer = find(PEER, way.numProcesses);
      return [
        way.name,
        median(of(way).map(({ wallMs }) => (numImages / wallMs) * 1000)).toFixed(0),
        median(of(way).map(({ cpuMs }) => cpuMs / numImages)).toFixed(3),
        ratio(way, find(FLOOR, way.numProcesses), 'cpuMs'),
        peer === undefined ? '–' : ratio(peer, way, 'wallMs'),
        Math.max(...of(way).map(({ peakMb }) => peakMb)).toFixed(0),
      ];
    }),
  });
}
