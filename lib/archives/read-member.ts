import { archiveFormatOf } from './archive-format.js';
import { readStretch } from './archive-file.js';
import { unpackZipMember } from './zip-member.js';

/**
 * A member's content, out of the open archive that its index is of (`membersPath` of an IndexedArchive), by the offset and size
 * that the index has. Returns a buffer that is the caller's own.
 * Throws ERR_ARCHIVE_CORRUPT when the archive has become shorter or, in a zip, the member is not what its header says.
 */
export function readMember(path: string, descriptor: number, offset: number, size: number): Buffer {
  const stretch = readStretch({ path, descriptor }, offset, size);
  return archiveFormatOf(path) === 'zip' ? unpackZipMember(stretch, path, offset) : stretch;
}
