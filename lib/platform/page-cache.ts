/** How much of files lies in the system's page cache, by util-linux' fincore: Node itself cannot ask. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Files a call: a command line holds only so much. */
const MAX_FILES = 500;
const TIMEOUT_MS = 10_000;

/** Bytes of each file that are in memory, whole pages. Undefined where there is no fincore, or it cannot tell of one of them. */
export async function residentBytes(paths: readonly string[]): Promise<number[] | undefined> {
  const resident: number[] = [];
  for (let begin = 0; begin < paths.length; begin += MAX_FILES) {
    const some = paths.slice(begin, begin + MAX_FILES);
    const args = ['--bytes', '--raw', '--noheadings', '--output', 'RES', '--', ...some];
    const output = await run('fincore', args, { timeout: TIMEOUT_MS }).catch(() => undefined);
    const numbers = output?.stdout.trim().split(/\s+/).map(Number);
    // An empty file has no line.
    if (numbers?.length !== some.length || !numbers.every(Number.isSafeInteger)) return undefined;
    resident.push(...numbers);
  }
  return resident;
}
