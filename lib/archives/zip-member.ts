/** The members of a zip archive, read in place: stored ones as they lie, deflated ones inflated one by one. */
import { crc32, inflateRawSync } from 'node:zlib';
import { indexMembers, readStretch, type ArchiveFile, type IndexOptions, type MemberStretch } from './archive-file.js';
import { archiveCorrupt, archiveUnsupported } from './corrupt.js';
import type { MemberIndex } from './member-index.js';
import { safeName } from './member-name.js';
import { readZipDirectory, type ZipEntry } from './zip-directory.js';

const LOCAL = { signature: 0x04034b50, bytes: 30 };
const STORED = 0;
const DEFLATED = 8;
/** Length and checksum stand behind the body, where nobody finds them without the directory. */
const FLAG_SIZES_FOLLOW = 1 << 3;
const IN_ZIP64 = 0xffff_ffff;
/** No image or text is larger. Deflate packs up to 1:1,032, so a length that is not known beforehand needs a bound. */
const MAX_INFLATED_BYTES = 2 ** 29;

/**
 * Indexes a zip by its directory. A member's stretch begins with its local header, because that says how to unpack it. Only
 * files are indexed: links and folders are not.
 * Throws ERR_ARCHIVE_CORRUPT, naming archive and offset, when it is truncated or no zip, a name leaves its root, or a member is
 * encrypted or packed in another way than stored or deflated; InterruptedError when the signal is aborted.
 */
export async function indexZip(path: string, options: IndexOptions = {}): Promise<MemberIndex> {
  return indexMembers(path, scan, options);
}

function* scan(file: ArchiveFile, totalBytes: number): Generator<MemberStretch> {
  const { begin, entries } = readZipDirectory(file, totalBytes);
  for (const entry of entries) {
    if (entry.name.endsWith('/') || entry.isSymbolicLink) continue;
    const { offset } = entry;
    const name = safeName(entry.name);
    if (name === undefined) {
      throw archiveCorrupt(file.path, offset, `the name "${entry.name}" leaves the archive's root`);
    }
    if (entry.isEncrypted) throw archiveUnsupported(file.path, offset, `"${name}" is encrypted`);
    if (entry.method !== STORED && entry.method !== DEFLATED) {
      throw archiveUnsupported(file.path, offset, `"${name}" is packed by method ${entry.method}`);
    }
    const size = headBytesOf(file, entry, begin) + entry.packedBytes;
    if (offset + size > begin) throw archiveCorrupt(file.path, offset, `"${name}" reaches into the directory`);
    yield { name, offset, size };
  }
}

/** Length of a member's local header; its own extra fields differ from the directory's, so it must be looked at. */
function headBytesOf(file: ArchiveFile, { name, nameBytes, method, offset }: ZipEntry, directoryBegin: number): number {
  const head = offset + LOCAL.bytes <= directoryBegin ? readStretch(file, offset, LOCAL.bytes) : undefined;
  const fits =
    head?.readUInt32LE(0) === LOCAL.signature && head.readUInt16LE(8) === method && head.readUInt16LE(26) === nameBytes;
  if (!fits) throw archiveCorrupt(file.path, offset, `"${name}" is not where the directory says`);
  return bodyBegin(head);
}

function bodyBegin(stretch: Buffer): number {
  return LOCAL.bytes + stretch.readUInt16LE(26) + stretch.readUInt16LE(28);
}

/**
 * A member's content, out of its stretch of the archive at `path`, which the caller gives up: the content may be a view of it.
 * Throws ERR_ARCHIVE_CORRUPT when it cannot be inflated, or is not what its header says.
 */
export function unpackZipMember(stretch: Buffer, path: string, offset: number): Buffer {
  if (stretch.length < LOCAL.bytes || stretch.readUInt32LE(0) !== LOCAL.signature) {
    throw archiveCorrupt(path, offset, 'expected a member of a zip');
  }
  const body = stretch.subarray(bodyBegin(stretch));
  const size = stretch.readUInt32LE(22);
  const isDescribed = (stretch.readUInt16LE(6) & FLAG_SIZES_FOLLOW) === 0;
  const isSizeKnown = isDescribed && size !== IN_ZIP64;
  const isDeflated = stretch.readUInt16LE(8) === DEFLATED;
  const content = isDeflated ? inflate(body, isSizeKnown ? size : MAX_INFLATED_BYTES, path, offset) : body;
  if ((isSizeKnown && content.length !== size) || (isDescribed && crc32(content) !== stretch.readUInt32LE(14))) {
    throw archiveCorrupt(path, offset, 'a member is not of the length and checksum that its header says');
  }
  return content;
}

function inflate(body: Buffer, maxBytes: number, path: string, offset: number): Buffer {
  try {
    // Zero bytes of output are fewer than zlib takes for a limit.
    return inflateRawSync(body, { maxOutputLength: Math.max(1, maxBytes) });
  } catch (error) {
    throw archiveCorrupt(path, offset, `a member does not inflate to at most ${maxBytes} bytes`, error);
  }
}
