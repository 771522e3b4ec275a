/** A folder of files in place of an archive. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, MillraceError, throwIfAborted } from '../core/errors.js';
import type { IndexOptions } from './archive-file.js';
import { MemberIndex } from './member-index.js';

interface FolderFile {
  readonly name: string;
  readonly size: number;
  readonly modifiedMs: number;
}

/**
 * The files below a folder, in the order of their names, with `/` between folders. A file's offset is when it was changed, in
 * milliseconds: nothing is read by it, but what was made of another content is known by it. Links to files are followed, links
 * to folders are not. A file that cannot be looked at, as one whose name is no UTF-8, is there all the same: reading it tells why not.
 * Throws ERR_NOT_FOUND when there is no such folder, InterruptedError.
 */
export async function indexFolder(path: string, { signal }: IndexOptions = {}): Promise<MemberIndex> {
  const files: FolderFile[] = [];
  const folders = [''];
  for (let prefix = folders.pop(); prefix !== undefined; prefix = folders.pop()) {
    throwIfAborted(signal);
    for await (const entry of await openFolder(join(path, prefix))) {
      const name = prefix + entry.name;
      if (entry.isDirectory()) folders.push(`${name}/`);
      else if (entry.isFile() || entry.isSymbolicLink()) {
        const found = await statIfFile(join(path, name));
        if (found !== undefined) files.push({ name, ...found });
        else if (entry.isFile()) files.push({ name, size: 0, modifiedMs: 0 });
      }
    }
  }
  files.sort((a, b) => (a.name < b.name ? -1 : 1));
  const index = new MemberIndex();
  for (const { name, size, modifiedMs } of files) index.set(name, modifiedMs, size);
  return index;
}

/**
 * Reads a file of an indexed folder into `room`, an array of its size, of which the result is a view. Throws ERR_IMAGE_UNREADABLE
 * when it is gone, cannot be read, or has another size by now.
 */
export function readFolderFile(folder: string, name: string, room: Uint8Array): Buffer {
  const path = join(folder, name);
  const file = Buffer.from(room.buffer, room.byteOffset, room.length);
  try {
    const descriptor = openSync(path, 'r');
    try {
      const isWhole =
        fstatSync(descriptor).size === file.length && readSync(descriptor, file, 0, file.length, 0) === file.length;
      if (isWhole) return file;
    } finally {
      closeSync(descriptor);
    }
  } catch (cause) {
    throw new MillraceError('ERR_IMAGE_UNREADABLE', `cannot be read: ${messageOf(cause)}`, {
      cause,
      context: { path },
    });
  }
  throw new MillraceError('ERR_IMAGE_UNREADABLE', `no longer has ${file.length} bytes: it was changed meanwhile`, {
    context: { path },
  });
}

async function openFolder(path: string) {
  try {
    return await opendir(path);
  } catch (cause) {
    throw new MillraceError('ERR_NOT_FOUND', `cannot open the folder ${path}: ${messageOf(cause)}`, {
      cause,
      context: { path },
    });
  }
}

/** Undefined for a link that leads nowhere or to a folder, and for what cannot be looked at. */
async function statIfFile(path: string): Promise<Omit<FolderFile, 'name'> | undefined> {
  try {
    const found = await stat(path);
    return found.isFile() ? { size: found.size, modifiedMs: found.mtimeMs } : undefined;
  } catch {
    return undefined;
  }
}
