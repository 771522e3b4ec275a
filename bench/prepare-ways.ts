/** The ways of the bench of `prepare`: command lines that make records of the same images. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../lib/platform/package-root.js';
import { splitOf, type PrepareData } from './prepare-data.js';

const execute = promisify(execFile);

/** - `floor`: decodes and resizes. - `storing-floor`: also writes every record to a file. - `peer`: OpenCV and py-lmdb. */
export type WayKind = 'prepare' | 'floor' | 'storing-floor' | 'peer';

export interface Way {
  readonly kind: WayKind;
  readonly name: string;
  /** Processes that convert at a time; they share the rounds, whose number they divide. */
  readonly numProcesses: number;
  /** A shell's command line that converts all images so many times. `$OUT` is a new folder. */
  readonly commandLine: (numRounds: number) => string;
}

const NUM_PROCESSES = [1, 2];

/** What this machine lacks for a way goes to `notes`. */
export async function findWays(data: PrepareData, folder: string, notes: string[]): Promise<Way[]> {
  const ways = [...NUM_PROCESSES.map((numProcesses) => prepareWay(data, numProcesses))];
  const others = (kind: WayKind, name: string, program: Program): void => {
    ways.push(...NUM_PROCESSES.map((numProcesses) => parallelWay(kind, name, numProcesses, program)));
  };
  const floor = join(folder, 'pixels-floor');
  try {
    const source = join(packageRoot(), 'bench', 'pixels-floor.c');
    await execute('gcc', ['-O3', '-march=native', source, '-o', floor, '-ljpeg', '-lm']);
    // It goes through the pack once more than it is told.
    const program: Program = (rounds) => `${floor} ${data.packPath} ${rounds - 1}`;
    others('floor', 'C floor: decode, resize', program);
    others('storing-floor', 'C floor: decode, resize, store', (rounds, i) => `${program(rounds, i)} $OUT/${i}`);
  } catch {
    notes.push("No C floors: they need gcc and libjpeg's headers (Debian: libjpeg62-turbo-dev).");
  }
  const python = join(packageRoot(), '.venv', 'bin', 'python');
  if (existsSync(python)) {
    const peer = join(packageRoot(), 'bench', 'prepare-peer.py');
    others('peer', 'OpenCV + py-lmdb', (rounds, i) => `${python} ${peer} ${data.packPath} ${rounds} $OUT/${i}`);
  } else {
    notes.push('No OpenCV and py-lmdb: "make tools" sets them up.');
  }
  return ways;
}

function prepareWay({ root, dataset }: PrepareData, numProcesses: number): Way {
  const main = join(packageRoot(), 'dist', 'cli', 'main.js');
  const flags = `--root ${root} --size 256 --workers ${numProcesses} --as out`;
  return {
    kind: 'prepare',
    name: `millrace prepare, ${numProcesses} ${numProcesses === 1 ? 'worker' : 'workers'}`,
    numProcesses,
    commandLine: (numRounds) =>
      `${process.execPath} ${main} prepare ${dataset} --split ${splitOf(numRounds)} ${flags} >&2; mv ${root}/datasets/out $OUT`,
  };
}

/** The command line of one of the processes. */
type Program = (numRounds: number, process: number) => string;

function parallelWay(kind: WayKind, name: string, numProcesses: number, program: Program): Way {
  return {
    kind,
    name: `${name}, ${numProcesses} ${numProcesses === 1 ? 'process' : 'processes'}`,
    numProcesses,
    commandLine: (numRounds) =>
      [...Array.from({ length: numProcesses }, (_, i) => `${program(numRounds / numProcesses, i)} >&2 &`), 'wait'].join(
        ' ',
      ),
  };
}
