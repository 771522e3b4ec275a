/** Going through an archive once, member by member, without an index: for the small files that come with images. */
import { closeSync, createReadStream, openSync } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { extract, type Header } from 'tar-stream';
import { messageOf, MillraceError } from '../core/errors.js';
import { archiveFormatOf } from './archive-format.js';
import { archiveCorrupt } from './corrupt.js';
import { safeName } from './member-name.js';
import { readMember } from './read-member.js';
import { indexZip } from './zip-member.js';

export interface ArchiveMember {
  readonly name: string;
  /** The content, in a buffer of the caller's own. Only until the next member is asked for. */
  readonly read: () => Promise<Buffer>;
}

/** Larger ones are not read: what is small belongs to images and labels, and ILSVRC2012's largest list has 44 MB. */
const MAX_MEMBER_BYTES = 512 << 20;

/**
 * The files of a tar, gzipped tar or zip, in the archive's order; links and folders are left out.
 * Throws the system's ENOENT when there is no such file, ERR_ARCHIVE_CORRUPT when it cannot be read.
 */
export function membersOf(path: string): AsyncGenerator<ArchiveMember> {
  return archiveFormatOf(path) === 'zip' ? zipMembers(path) : tarMembers(path);
}

async function* zipMembers(path: string): AsyncGenerator<ArchiveMember> {
  const index = await indexZip(path);
  const descriptor = openSync(path, 'r');
  try {
    for (let member = 0; member < index.numMembers; member++) {
      yield {
        name: index.name(member),
        read: () => Promise.resolve(readMember(path, descriptor, index.offset(member), index.size(member))),
      };
    }
  } finally {
    closeSync(descriptor);
  }
}

async function* tarMembers(path: string): AsyncGenerator<ArchiveMember> {
  const entries = extract();
  const file = createReadStream(path, { highWaterMark: 1 << 20 });
  const tar = archiveFormatOf(path) === 'tar.gz' ? file.pipe(createGunzip({ chunkSize: 1 << 20 })) : file;
  // Not `pipeline`: that takes the early end of a loop that has what it came for as an error.
  const fail = (error: Error): void => {
    entries.destroy(error);
  };
  file.on('error', fail);
  tar.on('error', fail);
  tar.pipe(entries);
  try {
    for await (const entry of entries) {
      if (entry.header.type === 'file' || entry.header.type === 'contiguous-file') {
        const name = safeName(entry.header.name);
        if (name === undefined) {
          throw archiveCorrupt(path, file.bytesRead, `the name "${entry.header.name}" leaves the archive's root`);
        }
        yield { name, read: () => contentOf(entry.header, entry, path) };
      }
      entry.resume();
    }
  } catch (error) {
    if (error instanceof MillraceError || (error as NodeJS.ErrnoException).syscall !== undefined) throw error;
    throw archiveCorrupt(path, file.bytesRead, `cannot be read on: ${messageOf(error)}`, error);
  } finally {
    file.destroy();
    tar.destroy();
  }
}

async function contentOf({ name, size }: Header, body: AsyncIterable<unknown>, path: string): Promise<Buffer> {
  if (size > MAX_MEMBER_BYTES) throw archiveCorrupt(path, 0, `"${name}" has ${size} bytes, too many for what it is`);
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of body) chunks.push(chunk as Buffer);
  } catch (error) {
    throw archiveCorrupt(path, 0, `cannot read "${name}": ${messageOf(error)}`, error);
  }
  return Buffer.concat(chunks);
}
