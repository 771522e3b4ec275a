/** Small texts that come with a dataset: a file of their own, or a member of an archive or folder. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '../core/errors.js';
import { safeName, textOfBytes } from './member-name.js';

/**
 * The text, as {@link textOfBytes} has it, of the file at `path`, or of its `member` when one is named.
 * Throws the system's ENOENT when there is no such file, ERR_NOT_FOUND when it has no such member, ERR_ARCHIVE_CORRUPT when it
 * cannot be read.
 */
export async function readText(path: string, member?: string): Promise<string> {
  if (member === undefined) return plainText(await readFile(path));
  if ((await stat(path)).isDirectory()) return readTextOfFolder(path, member);
  // Loaded only then: most label lists are files of their own.
  const { membersOf } = await import('./members.js');
  for await (const { name, read } of membersOf(path)) {
    if (name === member) return plainText(await read());
  }
  throw noSuchMember(path, member);
}

async function readTextOfFolder(path: string, member: string): Promise<string> {
  const name = safeName(member);
  if (name === undefined) throw noSuchMember(path, member);
  try {
    return plainText(await readFile(join(path, name)));
  } catch (error) {
    throw noSuchMember(path, member, error);
  }
}

/** Without the mark that some editors begin UTF-8 with. */
function plainText(bytes: Uint8Array): string {
  return textOfBytes(bytes).replace(/^\ufeff/, '');
}

function noSuchMember(path: string, member: string, cause?: unknown): MillraceError {
  return new MillraceError('ERR_NOT_FOUND', `${path} has no member "${member}"`, { cause, context: { path, member } });
}
