/** Small texts that come with a dataset: a file of their own, or a member of an archive or folder. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '../core/errors.js';
import { safeName } from './member-name.js';

/**
 * The UTF-8 text of the file at `path`, or of its `member` when one is named.
 * Throws the system's ENOENT when there is no such file, ERR_NOT_FOUND when it has no such member, ERR_ARCHIVE_CORRUPT when it
 * cannot be read.
 */
export async function readText(path: string, member?: string): Promise<string> {
  if (member === undefined) return readFile(path, 'utf8');
  if ((await stat(path)).isDirectory()) return readTextOfFolder(path, member);
  // Loaded only then: most label lists are files of their own.
  const { membersOf } = await import('./members.js');
  for await (const { name, read } of membersOf(path)) {
    if (name === member) return (await read()).toString('utf8');
  }
  throw noSuchMember(path, member);
}

async function readTextOfFolder(path: string, member: string): Promise<string> {
  const name = safeName(member);
  if (name === undefined) throw noSuchMember(path, member);
  try {
    return await readFile(join(path, name), 'utf8');
  } catch (error) {
    throw noSuchMember(path, member, error);
  }
}

function noSuchMember(path: string, member: string, cause?: unknown): MillraceError {
  return new MillraceError('ERR_NOT_FOUND', `${path} has no member "${member}"`, { cause, context: { path, member } });
}
