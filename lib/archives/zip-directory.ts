/**
 * The central directory of a zip archive: which members it has and where they lie. Records are read where PKWARE's APPNOTE
 * (4.3, 4.5.3) puts their fields, zip64 included. Archives in several parts are not read.
 */
import { readStretch, type ArchiveFile } from './archive-file.js';
import { archiveCorrupt, archiveUnsupported } from './corrupt.js';
import { textOfBytes } from './member-name.js';

export interface ZipEntry {
  /** As it stands in the directory. Ends in a slash for a folder. */
  readonly name: string;
  readonly isSymbolicLink: boolean;
  readonly isEncrypted: boolean;
  /** 0: stored, 8: deflated, … */
  readonly method: number;
  /** Bytes of body as it lies in the archive. */
  readonly packedBytes: number;
  /** Where the member's local header begins. */
  readonly offset: number;
  /** Length of the name in bytes, which the local header repeats. */
  readonly nameBytes: number;
}

export interface ZipDirectory {
  /** Where the directory begins, hence where the last member must have ended. */
  readonly begin: number;
  readonly entries: Iterable<ZipEntry>;
}

/** Where the directory lies, as the end record (or its zip64 form) says. */
interface Extent {
  readonly begin: number;
  readonly bytes: number;
  readonly numEntries: number;
}

const END = { signature: 0x06054b50, bytes: 22, maxCommentBytes: 0xffff };
const LOCATOR_64 = { signature: 0x07064b50, bytes: 20 };
const END_64 = { signature: 0x06064b50, bytes: 56 };
const ENTRY = { signature: 0x02014b50, bytes: 46 };
const EXTRA_64 = 0x0001;
/** Says that the value stands in the zip64 form of the record. */
const IN_ZIP64 = 0xffff_ffff;
const NUM_IN_ZIP64 = 0xffff;

const FLAG_ENCRYPTED = 1 << 0;
const MADE_ON_UNIX = 3;
const FILE_TYPE_MASK = 0o170000;
const FILE_TYPE_LINK = 0o120000;

/** Throws ERR_ARCHIVE_CORRUPT when the file is no zip, is truncated or has several parts; so does iterating over the entries. */
export function readZipDirectory(file: ArchiveFile, totalBytes: number): ZipDirectory {
  const extent = findDirectory(file, totalBytes);
  return { begin: extent.begin, entries: entriesOf(file, extent) };
}

function findDirectory(file: ArchiveFile, totalBytes: number): Extent {
  const tailBytes = Math.min(totalBytes, END.bytes + END.maxCommentBytes);
  const tail = readStretch(file, totalBytes - tailBytes, tailBytes);
  let at = tailBytes - END.bytes;
  // A comment may hold anything, so only a record whose comment ends with the file is the end record.
  while (
    at >= 0 &&
    !(tail.readUInt32LE(at) === END.signature && tail.readUInt16LE(at + 20) === tailBytes - at - END.bytes)
  )
    at--;
  if (at < 0) throw archiveCorrupt(file.path, totalBytes, 'its end record is missing: truncated, or no zip');

  const endBegin = totalBytes - tailBytes + at;
  const short: Extent = {
    numEntries: tail.readUInt16LE(at + 10),
    bytes: tail.readUInt32LE(at + 12),
    begin: tail.readUInt32LE(at + 16),
  };
  const isZip64 = short.numEntries === NUM_IN_ZIP64 || short.bytes === IN_ZIP64 || short.begin === IN_ZIP64;
  const extent = (isZip64 ? findDirectory64(file, endBegin) : undefined) ?? short;
  const parts = [tail.readUInt16LE(at + 4), tail.readUInt16LE(at + 6)];
  if (parts.some((part) => part !== 0 && part !== NUM_IN_ZIP64)) {
    throw archiveUnsupported(file.path, endBegin, 'it is one part of an archive in several files');
  }
  if (extent.begin + extent.bytes > endBegin) {
    throw archiveCorrupt(file.path, endBegin, 'its directory should lie where the archive has ended');
  }
  return extent;
}

/** Undefined when there is no zip64 form: an archive may really have 65,535 members. */
function findDirectory64(file: ArchiveFile, endBegin: number): Extent | undefined {
  const locatorBegin = endBegin - LOCATOR_64.bytes;
  if (locatorBegin < 0) return undefined;
  const locator = readStretch(file, locatorBegin, LOCATOR_64.bytes);
  if (locator.readUInt32LE(0) !== LOCATOR_64.signature) return undefined;
  const begin = Number(locator.readBigUInt64LE(8));
  const record = begin + END_64.bytes <= locatorBegin ? readStretch(file, begin, END_64.bytes) : undefined;
  if (record?.readUInt32LE(0) !== END_64.signature) {
    throw archiveCorrupt(file.path, locatorBegin, 'its zip64 end record is not where it should be');
  }
  return {
    numEntries: Number(record.readBigUInt64LE(32)),
    bytes: Number(record.readBigUInt64LE(40)),
    begin: Number(record.readBigUInt64LE(48)),
  };
}

function* entriesOf(file: ArchiveFile, { begin, bytes, numEntries }: Extent): Generator<ZipEntry> {
  const directory = readStretch(file, begin, bytes);
  let at = 0;
  for (let i = 0; i < numEntries; i++) {
    const nameBegin = at + ENTRY.bytes;
    if (nameBegin > bytes || directory.readUInt32LE(at) !== ENTRY.signature) {
      throw archiveCorrupt(file.path, begin + at, `expected entry ${i + 1} of ${numEntries} of its directory`);
    }
    const nameBytes = directory.readUInt16LE(at + 28);
    const nameEnd = nameBegin + nameBytes;
    const extraEnd = nameEnd + directory.readUInt16LE(at + 30);
    const end = extraEnd + directory.readUInt16LE(at + 32);
    if (end > bytes) throw archiveCorrupt(file.path, begin + at, 'an entry of its directory is cut off');
    const sizes = sizesOf(directory, at, directory.subarray(nameEnd, extraEnd));
    if (sizes === undefined) throw archiveCorrupt(file.path, begin + at, 'an entry lacks its zip64 sizes');
    const isUnix = directory[at + 5] === MADE_ON_UNIX;
    const fileType = directory.readUInt16LE(at + 40) & FILE_TYPE_MASK;
    yield {
      ...sizes,
      name: textOfBytes(directory.subarray(nameBegin, nameEnd)),
      nameBytes,
      isSymbolicLink: isUnix && fileType === FILE_TYPE_LINK,
      isEncrypted: (directory.readUInt16LE(at + 8) & FLAG_ENCRYPTED) !== 0,
      method: directory.readUInt16LE(at + 10),
    };
    at = end;
  }
  if (at !== bytes) throw archiveCorrupt(file.path, begin + at, `its directory has more than ${numEntries} entries`);
}

/** The zip64 field holds, in this order, those values that the entry itself has no room for: length, packed length, offset. */
function sizesOf(directory: Buffer, at: number, extra: Buffer): Pick<ZipEntry, 'packedBytes' | 'offset'> | undefined {
  const short = [24, 20, 42].map((field) => directory.readUInt32LE(at + field));
  const long = zip64Field(extra);
  let used = 0;
  const values = short.map((value) => {
    if (value !== IN_ZIP64) return value;
    used += 8;
    return long !== undefined && used <= long.length ? Number(long.readBigUInt64LE(used - 8)) : Number.NaN;
  });
  return values.every(Number.isSafeInteger) ? { packedBytes: values[1], offset: values[2] } : undefined;
}

function zip64Field(extra: Buffer): Buffer | undefined {
  let at = 0;
  while (at + 4 <= extra.length) {
    const end = at + 4 + extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === EXTRA_64) return extra.subarray(at + 4, end);
    at = end;
  }
  return undefined;
}
