/** Room set aside for a whole file before its bytes come: the disk cannot fill up under way, and the file lies in one piece. */
import { execFile } from 'node:child_process';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { messageOf } from '../../lib/core/errors.js';
import { toDiskError } from '../../lib/platform/system-error.js';

const run = promisify(execFile);

/**
 * Gives the existing file at `path` blocks for `totalBytes` with the program `fallocate`; where that is missing or the file system
 * cannot, it only gets its length. Throws ERR_DISK when there is no room.
 */
export async function preallocate(path: string, totalBytes: number): Promise<void> {
  try {
    await run('fallocate', ['--length', String(totalBytes), path]);
    return;
  } catch (error) {
    if (/No space left|Disk quota/i.test(messageOf(error))) {
      throw toDiskError(Object.assign(new Error(messageOf(error), { cause: error }), { code: 'ENOSPC' }), path);
    }
  }
  const file = await open(path, 'r+');
  try {
    if ((await file.stat()).size < totalBytes) await file.truncate(totalBytes);
  } catch (error) {
    throw toDiskError(error, path);
  } finally {
    await file.close();
  }
}
