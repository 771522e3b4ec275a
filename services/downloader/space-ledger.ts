/** Whether the disk has room for all that is on its way, asked before the first byte rather than found out after the last that fits. */
import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf, MillraceError } from '../../lib/core/errors.js';
import { formatBytes } from '../../lib/platform/progress.js';

export interface SpaceLedger {
  /**
   * Enters the file at `path`, to become `totalBytes` long, until {@link release}. Throws ERR_DISK, naming path and bytes, when
   * it does not fit beside the files entered already; it is then not entered.
   */
  reserve(path: string, totalBytes: number): Promise<void>;
  release(path: string): void;
}

/** Left free for everybody else: 1 % of the file system, at most 1 GiB. */
const RESERVE_SHARE = 0.01;
const MAX_RESERVE_BYTES = 2 ** 30;

/** A ledger for files of one file system. */
export function createSpaceLedger(): SpaceLedger {
  const totals = new Map<string, number>();
  return {
    async reserve(path, totalBytes) {
      const { bavail, bsize, blocks } = await statfs(dirname(path));
      const reserveBytes = Math.min(MAX_RESERVE_BYTES, Math.floor(blocks * bsize * RESERVE_SHARE));
      const freeBytes = Math.max(0, bavail * bsize - reserveBytes);
      const others = [...totals].filter(([other]) => other !== path);
      const missing = await Promise.all(others.map(([other, total]) => missingBytes(other, total)));
      const promisedBytes = missing.reduce((sum, bytes) => sum + bytes, 0);
      const neededBytes = await missingBytes(path, totalBytes);
      if (freeBytes - promisedBytes < neededBytes) {
        const promised = promisedBytes > 0 ? ` and ${formatBytes(promisedBytes)} are promised to other archives` : '';
        throw new MillraceError(
          'ERR_DISK',
          `${path} needs ${formatBytes(neededBytes)} more, ${formatBytes(freeBytes)} are free${promised} ` +
            `(${formatBytes(reserveBytes)} are left alone); free some room or choose another --root, then run the same command again`,
          { context: { path, neededBytes, freeBytes, promisedBytes } },
        );
      }
      totals.set(path, totalBytes);
    },
    release: (path) => void totals.delete(path),
  };
}

/** By the blocks that the file has, so that holes count as missing and preallocated ones do not. */
async function missingBytes(path: string, totalBytes: number): Promise<number> {
  try {
    return Math.max(0, totalBytes - (await stat(path)).blocks * 512);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return totalBytes;
    throw error;
  }
}
