/** Small texts that come with a dataset: a file of their own, or a member of a (gzipped) tar. */
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { extract, type Header } from 'tar-stream';
import { messageOf, MillraceError } from '../core/errors.js';
import { isGzip } from './archive.js';
import { archiveCorrupt } from './corrupt.js';

/** ILSVRC2012's largest list is 44 MB; a text beyond this is not one. */
const MAX_TEXT_BYTES = 512 << 20;

/**
 * The UTF-8 text of the file at `path`, or of its `member` when one is named.
 * Throws the system's ENOENT when there is no such file, ERR_NOT_FOUND when it has no such member, ERR_ARCHIVE_CORRUPT when it
 * cannot be read.
 */
export async function readText(path: string, member?: string): Promise<string> {
  if (member === undefined) return readFile(path, 'utf8');
  const entries = extract();
  // Taking an early end for an error is left to the loop: it stops reading as soon as it has what it came for.
  const file = createReadStream(path, { highWaterMark: 1 << 20 });
  const tar = isGzip(path) ? file.pipe(createGunzip({ chunkSize: 1 << 20 })) : file;
  const fail = (error: Error): void => {
    entries.destroy(error);
  };
  file.on('error', fail);
  tar.on('error', fail);
  tar.pipe(entries);
  try {
    for await (const entry of entries) {
      if (entry.header.name.replace(/^\.\//, '') === member) return await textOfEntry(entry.header, entry, path);
      entry.resume();
    }
  } catch (error) {
    if (error instanceof MillraceError || (error as NodeJS.ErrnoException).syscall !== undefined) throw error;
    throw archiveCorrupt(path, file.bytesRead, `cannot read "${member}": ${messageOf(error)}`, error);
  } finally {
    file.destroy();
    tar.destroy();
  }
  throw new MillraceError('ERR_NOT_FOUND', `${path} has no member "${member}"`, { context: { path, member } });
}

async function textOfEntry({ name, size }: Header, body: AsyncIterable<unknown>, path: string): Promise<string> {
  if (size > MAX_TEXT_BYTES) {
    throw archiveCorrupt(path, 0, `"${name}" has ${size} bytes, too many for a text`);
  }
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
