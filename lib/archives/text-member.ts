/** Small texts that come with a dataset: a file of their own, or a member of an archive. */
import { readFile } from 'node:fs/promises';
import { MillraceError } from '../core/errors.js';
import { membersOf } from './members.js';

/**
 * The UTF-8 text of the file at `path`, or of its `member` when one is named.
 * Throws the system's ENOENT when there is no such file, ERR_NOT_FOUND when it has no such member, ERR_ARCHIVE_CORRUPT when it
 * cannot be read.
 */
export async function readText(path: string, member?: string): Promise<string> {
  if (member === undefined) return readFile(path, 'utf8');
  for await (const { name, read } of membersOf(path)) {
    if (name === member) return (await read()).toString('utf8');
  }
  throw new MillraceError('ERR_NOT_FOUND', `${path} has no member "${member}"`, { context: { path, member } });
}
