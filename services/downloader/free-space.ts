/** Whether the disk has room, asked before the first byte rather than found out after the last that fits. */
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { MillraceError } from '../../lib/core/errors.js';
import { formatBytes } from '../../lib/platform/progress.js';

/** Throws ERR_DISK, naming path and bytes, when the file system of `path` has fewer than `neededBytes` free. */
export async function requireSpace(path: string, neededBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(path));
  const freeBytes = bavail * bsize;
  if (freeBytes >= neededBytes) return;
  throw new MillraceError(
    'ERR_DISK',
    `${path} needs ${formatBytes(neededBytes)} more, and ${formatBytes(freeBytes)} are free; ` +
      'free some room or choose another --root, then run the same command again',
    { context: { path, neededBytes, freeBytes } },
  );
}
