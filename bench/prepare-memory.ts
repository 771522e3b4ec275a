/** Whether a worker's memory stays what it is over 100,000 images. They are stored small, so that the disk need not hold 20 GB. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { packageRoot } from '../lib/platform/package-root.js';
import { makePrepareData } from './prepare-data.js';
import { publish } from './report.js';

const NUM_ROUNDS = 251;
const SIZE = 64;
const NUM_TENTHS = 10;
const MAX_MB = 300;

export async function benchPrepareMemory(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  try {
    const data = await makePrepareData(folder, [NUM_ROUNDS]);
    if (data === undefined) {
      console.log('prepare-memory: left out, the test data is not there (MILLRACE_TEST_DATA)');
      return;
    }
    const numImages = data.numImages * NUM_ROUNDS;
    const main = join(packageRoot(), 'dist', 'cli', 'main.js');
    const args = ['prepare', data.dataset, '--root', data.root, '--size', String(SIZE), '--workers', '2', '--json'];
    const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    /** Largest resident memory of a worker in each tenth of the run, in kB. */
    const peaks = Array.from({ length: NUM_TENTHS }, () => 0);
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { event, unit, done } = JSON.parse(line) as { event: string; unit?: string; done?: number };
      if (event !== 'progress' || unit !== 'images' || done === undefined) return;
      const tenth = Math.min(NUM_TENTHS - 1, Math.floor((done / numImages) * NUM_TENTHS));
      if (peaks[tenth] === 0) console.log(`prepare-memory: ${done} of ${numImages} images`);
      peaks[tenth] = Math.max(peaks[tenth], ...childrenOf(child.pid ?? 0).map(residentKbOf));
    });
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) throw new Error(`prepare ended with code ${code ?? '?'}`);
    publish({
      name: 'prepare-memory',
      title: `Memory of a worker over ${numImages} images`,
      notes: [
        `Resident memory of the larger of two workers, the most that was seen in each tenth of the run; records of ${SIZE} × ${SIZE}, which`,
        `take less disk and the same decoding. ≤ ${MAX_MB} MB was asked for: ${Math.max(...peaks) <= 1000 * MAX_MB ? 'holds' : 'does not hold'}.`,
      ],
      columns: ['tenth', 'MB'],
      rows: peaks.map((peakKb, tenth) => [tenth + 1, (peakKb / 1000).toFixed(0)]),
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function childrenOf(pid: number): number[] {
  return readText(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
}

function residentKbOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readText(`/proc/${pid}/status`))?.[1] ?? 0);
}

/** Empty when the process has gone. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
