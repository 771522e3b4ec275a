/** An archive as workers need it: a tar, zip or folder that is read in place, and the index of its members. */
import { createReadStream, createWriteStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { codeOf, throwIfAborted } from '../core/errors.js';
import { commitRename, temporaryPathFor } from '../platform/atomic-file.js';
import { toDiskError } from '../platform/system-error.js';
import { archiveFormatOf } from './archive-format.js';
import { archiveCorrupt } from './corrupt.js';
import { indexFolder } from './folder.js';
import { readIndexFile, writeIndexFile, type IndexKey } from './index-file.js';
import type { MemberIndex } from './member-index.js';
import { indexTar, type ArchiveLayout } from './tar-index.js';
import { indexZip } from './zip-member.js';

export interface IndexedArchive {
  /** What the index is of: the archive itself, or `<archive>.tar` when it is gzipped. */
  readonly membersPath: string;
  /** Members are then files below that path, and are read by their names. */
  readonly isFolder: boolean;
  readonly index: MemberIndex;
}

export interface OpenArchiveOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((work: ArchiveWork, doneBytes: number, totalBytes: number) => void) | undefined;
}

/** What takes its time when an archive is opened for the first time. */
export type ArchiveWork = 'unpack' | 'index';

/**
 * The archive at `path`, from its index file when there is one that fits, else scanned; a folder is scanned each time. A gzipped
 * one is unpacked to `<path>.tar` first, since there is no reading in the middle of gzip. The layout is that of a tar: a zip is always flat.
 * Throws the system's ENOENT when there is no such file, ERR_ARCHIVE_CORRUPT when it cannot be read.
 */
export async function openArchive(
  path: string,
  layout: ArchiveLayout,
  options: OpenArchiveOptions = {},
): Promise<IndexedArchive> {
  const found = await stat(path);
  if (found.isDirectory())
    return { membersPath: path, isFolder: true, index: await indexFolder(path, { signal: options.signal }) };
  const { size, mtimeMs } = found;
  const key: IndexKey = { layout, archiveBytes: size, archiveModifiedMs: mtimeMs };
  const format = archiveFormatOf(path);
  const membersPath = format === 'tar.gz' ? `${path}.tar` : path;
  const indexPath = `${path}.index`;

  const known = await readIndexFile(indexPath, key);
  if (known !== undefined && (await sizeOf(membersPath)) === known.membersBytes) {
    return { membersPath, isFolder: false, index: known.index };
  }
  const report = (work: ArchiveWork) => (doneBytes: number, totalBytes: number) =>
    options.onProgress?.(work, doneBytes, totalBytes);
  const { signal } = options;
  if (format === 'tar.gz') await unpackGzip(path, membersPath, size, report('unpack'), signal);
  const indexOptions = { signal, onProgress: report('index') };
  const index =
    format === 'zip' ? await indexZip(path, indexOptions) : await indexTar(membersPath, layout, indexOptions);
  await writeIndexFile(indexPath, { key, membersBytes: (await stat(membersPath)).size, index });
  return { membersPath, isFolder: false, index };
}

async function unpackGzip(
  path: string,
  tarPath: string,
  totalBytes: number,
  onProgress: (doneBytes: number, totalBytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const temporary = temporaryPathFor(tarPath);
  let doneBytes = 0;
  const count = new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      doneBytes += chunk.length;
      onProgress(doneBytes, totalBytes);
      callback(null, chunk);
    },
  });
  try {
    await pipeline(
      createReadStream(path, { highWaterMark: 1 << 20 }),
      count,
      createGunzip({ chunkSize: 1 << 20 }),
      createWriteStream(temporary, { flags: 'wx', flush: true, highWaterMark: 1 << 20 }),
      ...(signal === undefined ? [] : [{ signal }]),
    );
    await commitRename(temporary, tarPath);
  } catch (error) {
    await rm(temporary, { force: true });
    throwIfAborted(signal);
    if (codeOf(error)?.startsWith('Z_') === true) throw archiveCorrupt(path, doneBytes, 'gzip cannot read it', error);
    throw toDiskError(error, tarPath);
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
