/** An archive that is open for reading, and the habits of reading it that all formats share. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { throwIfAborted } from '../core/errors.js';
import { archiveCorrupt } from './corrupt.js';
import { MemberIndex } from './member-index.js';

export interface ArchiveFile {
  readonly path: string;
  readonly descriptor: number;
}

/** The stretch of an archive that holds a member, in bytes. */
export interface MemberStretch {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

/** A member that is another name for an earlier one. */
export interface MemberLink {
  readonly name: string;
  readonly linkOf: string;
}

export interface IndexOptions {
  readonly signal?: AbortSignal | undefined;
  /** Bytes of the archive gone through, and in all. */
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
}

/** Members between two looks at the signal: about 10 ms when cached. */
const MEMBERS_PER_TURN = 4096;

/**
 * Builds an index of what `scan` yields; of members with the same name the last counts, and a link to none is left out. Throws what `scan` does, and
 * InterruptedError when the signal is aborted.
 */
export async function indexMembers(
  path: string,
  scan: (file: ArchiveFile, totalBytes: number) => Iterable<MemberStretch | MemberLink>,
  options: IndexOptions,
): Promise<MemberIndex> {
  const descriptor = openSync(path, 'r');
  try {
    const totalBytes = fstatSync(descriptor).size;
    const index = new MemberIndex();
    let numSeen = 0;
    let doneBytes = 0;
    for (const member of scan({ path, descriptor }, totalBytes)) {
      if ('linkOf' in member) {
        const linked = index.find(member.linkOf);
        if (linked !== undefined) index.set(member.name, index.offset(linked), index.size(linked));
      } else {
        index.set(member.name, member.offset, member.size);
        doneBytes = member.offset;
      }
      if (++numSeen % MEMBERS_PER_TURN === 0) {
        options.onProgress?.(doneBytes, totalBytes);
        await new Promise(setImmediate);
        throwIfAborted(options.signal);
      }
    }
    options.onProgress?.(totalBytes, totalBytes);
    return index;
  } finally {
    closeSync(descriptor);
  }
}

/** Fills `target` from `position` on. Throws ERR_ARCHIVE_CORRUPT when the archive ends before. */
export function readExactly({ path, descriptor }: ArchiveFile, target: Buffer, position: number): void {
  if (readSync(descriptor, target, 0, target.length, position) < target.length) {
    throw archiveCorrupt(path, position, 'the archive ended while it was read');
  }
}

/** A new buffer with `length` bytes from `position` on. Throws ERR_ARCHIVE_CORRUPT when the archive ends before. */
export function readStretch(file: ArchiveFile, position: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  readExactly(file, bytes, position);
  return bytes;
}
