/**
 * Decoding and resizing to 256 × 256: this program's ways, beside a C program that does nothing else (the floor), and OpenCV in
 * Python. Every way runs in a process of its own, and in two at a time.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../lib/core/errors.js';
import { createPixelPipeline } from '../lib/pixels/pixel-pipeline.js';
import type { Turbojpeg } from '../lib/pixels/turbojpeg-library.js';
import { findTurbojpeg } from '../lib/pixels/turbojpeg.js';
import { readEnvironment } from '../lib/platform/environment.js';
import { packageRoot } from '../lib/platform/package-root.js';
import { readImages } from './images.js';
import { pack, type PixelsRun } from './pixels-pack.js';
import { median, publish } from './report.js';

const execute = promisify(execFile);

const NUM_RUNS = 3;
const NUM_ROUNDS = 2;

const OPENCV = `
import cv2, json, numpy, resource, struct, sys, time
cv2.setNumThreads(1)
pack, rounds = open(sys.argv[1], 'rb').read(), int(sys.argv[2])
files, at = [], 4
while at < len(pack):
    size, = struct.unpack_from('<I', pack, at)
    files.append(numpy.frombuffer(pack, numpy.uint8, size, at + 4))
    at += 4 + size
def convert():
    for file in files:
        image = cv2.resize(cv2.imdecode(file, cv2.IMREAD_COLOR), (256, 256))
        numpy.ascontiguousarray(image.transpose(2, 0, 1))
convert()
cpu, wall = time.process_time(), time.perf_counter()
for _ in range(rounds): convert()
print(json.dumps(dict(numImages=len(files) * rounds, cpuMs=(time.process_time() - cpu) * 1e3,
    wallMs=(time.perf_counter() - wall) * 1e3, peakKb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, checksum=0)))
`;

/** A program that takes a pack and a number of rounds. */
interface Way {
  readonly name: string;
  readonly program: string;
  /** Of the pack's path and the number of rounds. */
  readonly argumentsFor: (packPath: string, rounds: string) => readonly string[];
}

export async function benchPixels(): Promise<void> {
  const { turbojpeg, reason } = findTurbojpeg(readEnvironment().turbojpeg);
  if (turbojpeg === undefined) {
    console.log(`pixels: left out, libturbojpeg is not used: ${reason}`);
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  try {
    const images = await readImages(folder);
    const files = await keepThoseOf(turbojpeg, images.files);
    const packPath = join(folder, 'pack');
    writeFileSync(packPath, pack(files));
    const notes: string[] = [];
    const ways = await findWays(folder, notes);
    const alone = new Map<Way, PixelsRun[]>(ways.map((way) => [way, []]));
    const paired = new Map<Way, PixelsRun[][]>(ways.map((way) => [way, []]));
    for (let run = 0; run < NUM_RUNS; run++) {
      for (const way of ways) {
        alone.get(way)?.push(await measure(way, packPath));
        paired.get(way)?.push(await Promise.all([measure(way, packPath), measure(way, packPath)]));
      }
    }
    report(`${files.length} ${images.what}`, ways, alone, paired, notes);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function report(
  what: string,
  ways: readonly Way[],
  alone: ReadonlyMap<Way, readonly PixelsRun[]>,
  paired: ReadonlyMap<Way, readonly PixelsRun[][]>,
  notes: readonly string[],
): void {
  const cpuOf = (runs: readonly PixelsRun[]): number => median(runs.map(({ cpuMs, numImages }) => cpuMs / numImages));
  const rateOf = ({ numImages, wallMs }: PixelsRun): number => (numImages / wallMs) * 1000;
  const [floor] = ways;
  const rows = ways.map((way) => {
    const runs = alone.get(way) ?? [];
    const pairs = paired.get(way) ?? [];
    // Run by run: what slows the machine for a while slows both.
    const ratio = median(runs.map((run, i) => run.cpuMs / (alone.get(floor)?.[i].cpuMs ?? Number.NaN)));
    return [
      way.name,
      cpuOf(runs).toFixed(3),
      ratio.toFixed(2),
      median(runs.map(rateOf)).toFixed(0),
      median(pairs.map((pair) => pair.reduce((sum, run) => sum + rateOf(run), 0))).toFixed(0),
      (Math.max(...runs.map((run) => run.peakKb)) / 1000).toFixed(0),
    ];
  });
  const checksums = new Set(ways.slice(0, 3).map((way) => alone.get(way)?.[0].checksum ?? 0));
  publish({
    name: 'pixels',
    title: 'Decoding and resizing to 256 × 256',
    notes: [
      `${what}; medians of ${NUM_RUNS} alternating runs of ${NUM_ROUNDS} rounds. CPU is user + system of all threads, in a process`,
      'alone; images/s are those of one process, and of two at a time together. Peak memory includes the files.',
      `The first three ways made ${checksums.size === 1 ? 'the same pixels' : 'DIFFERENT PIXELS'}.`,
      ...notes,
    ],
    columns: ['way', 'CPU ms/image', `of ${floor.name}`, 'images/s, one', 'images/s, two', 'peak MB'],
    rows,
  });
}

/** The floor first, then ours; what cannot be had is noted. */
async function findWays(folder: string, notes: string[]): Promise<Way[]> {
  const main = join(import.meta.dirname, 'pixels-main.js');
  const ours = (name: string, decoder: string, resize: string): Way => ({
    name,
    program: process.execPath,
    argumentsFor: (packPath, rounds) => [main, packPath, rounds, decoder, resize],
  });
  const ways = [
    ours('libturbojpeg, bilinear', 'libturbojpeg', 'caffe'),
    ours('sharp, bilinear', 'sharp', 'caffe'),
    ours('libturbojpeg, area', 'libturbojpeg', 'area'),
  ];
  const floor = join(folder, 'pixels-floor');
  try {
    const source = join(packageRoot(), 'bench', 'pixels-floor.c');
    await execute('gcc', ['-O3', '-march=native', source, '-o', floor, '-ljpeg', '-lm']);
    ways.unshift({ name: 'C floor', program: floor, argumentsFor: (packPath, rounds) => [packPath, rounds] });
  } catch (error) {
    const [reason] = messageOf(error).split('\n');
    notes.push(`No C floor (it needs gcc and libjpeg's headers, Debian: libjpeg62-turbo-dev): ${reason}`);
  }
  const python = join(packageRoot(), '.venv', 'bin', 'python');
  if (existsSync(python)) {
    const argumentsFor = (packPath: string, rounds: string): string[] => ['-c', OPENCV, packPath, rounds];
    ways.push({ name: 'OpenCV in Python, bilinear', program: python, argumentsFor });
  } else {
    notes.push('No OpenCV: "make tools" sets it up.');
  }
  return ways;
}

async function measure({ program, argumentsFor }: Way, packPath: string): Promise<PixelsRun> {
  const { stdout } = await execute(program, argumentsFor(packPath, String(NUM_ROUNDS)));
  return JSON.parse(stdout) as PixelsRun;
}

/** Those that libturbojpeg decodes, so that all ways have the same work. */
async function keepThoseOf(turbojpeg: Turbojpeg, files: readonly Buffer[]): Promise<Buffer[]> {
  const pipeline = createPixelPipeline({ resize: { resize: 'none' }, turbojpeg });
  const kept: Buffer[] = [];
  for (const file of files) {
    if ((await pipeline.convert(file)).decoder === 'libturbojpeg') kept.push(file);
  }
  return kept;
}
