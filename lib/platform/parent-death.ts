/** Ending with the process that started this one, even when that is killed and this one hangs in a call that never returns. */
import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';

// Not imported: where its native part is missing, the import would end the program.
const require = createRequire(import.meta.url);

const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;

/**
 * From now on the system kills this process when its parent ends. Only on Linux, and only where koffi has its native part: elsewhere
 * nothing is done, and a process that hangs is left behind by a parent that was killed.
 *
 * @param parentPid of the process that started this one; if it has gone by now, this process ends at once
 */
export function endWithParent(parentPid: number): void {
  if (process.platform !== 'linux') return;
  try {
    const koffi = require('koffi') as typeof Koffi;
    const prctl = koffi.load(null).func('int prctl(int option, unsigned long value)') as (...args: number[]) => number;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
  } catch {
    return;
  }
  if (process.ppid !== parentPid) process.exit(1);
}
