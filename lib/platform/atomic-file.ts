/**
 * Work is committed by rename: a product is written beside its place, flushed, and renamed into it. What exists is whole.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { codeOf } from '../core/errors.js';
import { toDiskError } from './system-error.js';

const MAX_COMMIT_TRIES = 5;

/** A name beside `path` that no other process uses: `.<name>.<pid>.<uuid>.tmp`. */
export function temporaryPathFor(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}.${randomUUID().slice(0, 8)}.tmp`);
}

/**
 * Writes a whole file, given at once or in pieces, so that `path` holds the old or the new content, never a part. Throws ERR_DISK
 * naming the path.
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array | readonly Uint8Array[],
): Promise<void> {
  const temporary = temporaryPathFor(path);
  try {
    const file = await open(temporary, 'wx');
    try {
      const pieces = typeof content === 'string' || content instanceof Uint8Array ? [content] : content;
      for (const piece of pieces) await file.writeFile(piece);
      await file.sync();
    } finally {
      await file.close();
    }
    await commitRename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw toDiskError(error, path);
  }
}

/** Renames a flushed file or folder into place and flushes the folder that holds it, so that the rename survives a power cut. */
export async function commitRename(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncFolder(dirname(to));
}

/** Commits a folder of flushed files at `folder`, in place of an older one if there is one: in between there is none. */
export async function commitFolder(temporary: string, folder: string): Promise<void> {
  await syncFolder(temporary);
  for (let attempt = 1; ; attempt++) {
    // A folder cannot be renamed over another one that is not empty.
    await rm(folder, { recursive: true, force: true });
    try {
      await commitRename(temporary, folder);
      return;
    } catch (error) {
      // Another process has put its own there in between.
      const isTaken = codeOf(error) === 'ENOTEMPTY' || codeOf(error) === 'EEXIST';
      if (!isTaken || attempt === MAX_COMMIT_TRIES) throw error;
    }
  }
}

/** Flushes a folder's entries to disk. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Removes what earlier, killed processes left in a folder: names made by {@link temporaryPathFor} whose process is gone.
 * Only for folders of this machine: a process id of another one says nothing.
 */
export async function sweepTemporaries(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const owner = /^\..+\.(\d+)\.[0-9a-f]{8}\.tmp(-lock)?$/.exec(name)?.[1];
    if (owner !== undefined && !isProcessAlive(Number(owner))) {
      await rm(join(folder, name), { recursive: true, force: true });
    }
  }
}

/**
 * Whether a process of this machine is running: not one that has ended and that its parent, in a container perhaps one that asks after
 * nobody, has not taken leave of.
 */
export function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
  try {
    // The state is the first field after the program's name, which may hold anything.
    return !/\) [ZX] [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    // No Linux; or it has ended in between, which the next one who asks will see.
    return true;
  }
}
