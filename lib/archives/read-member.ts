import { archiveFormatOf } from './archive-format.js';
import { readExactly } from './archive-file.js';
import { unpackZipMember } from './zip-member.js';

/**
 * A member's content, out of the open archive that its index is of (`membersPath` of an IndexedArchive), by the offset and size
 * that the index has. Returns a buffer that is the caller's own; it may be a view of `room`, an array of `size` bytes.
 * Throws ERR_ARCHIVE_CORRUPT when the archive has become shorter or, in a zip, the member is not what its header says.
 */
export function readMember(path: string, descriptor: number, offset: number, size: number, room?: Uint8Array): Buffer {
  const stretch = room === undefined ? Buffer.allocUnsafe(size) : Buffer.from(room.buffer, room.byteOffset, size);
  readExactly({ path, descriptor }, stretch, offset);
  return archiveFormatOf(path) === 'zip' ? unpackZipMember(stretch, path, offset) : stretch;
}
