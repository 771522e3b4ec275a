import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf } from '../core/errors.js';
import { toDiskError } from './system-error.js';

/**
 * Makes a folder that may be there, and those above it. Node's own way says ENOENT of a file system that is read-only, and never
 * ends where none can be made (`/proc`). Throws ERR_DISK naming the folder; the system's errors of a path that cannot be.
 */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await makeOne(folder).catch(async (error: unknown) => {
      if (codeOf(error) !== 'ENOENT' || dirname(folder) === folder) throw error;
      await makeFolder(dirname(folder));
      await makeOne(folder);
    });
  } catch (error) {
    throw toDiskError(error, folder);
  }
}

async function makeOne(folder: string): Promise<void> {
  await mkdir(folder).catch((error: unknown) => {
    if (codeOf(error) !== 'EEXIST') throw error;
  });
}
