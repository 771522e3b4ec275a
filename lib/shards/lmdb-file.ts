/**
 * A finished LMDB file of data format v1, read as a file: its tree is walked once, and what is kept is where each value lies. A
 * reader then takes values by offset, in any thread, from one descriptor; a file that is cut short or damaged is an error here,
 * where LMDB's own map of it would end the process.
 *
 * The format is that of liblmdb 0.9 on 64-bit machines. Numbers are little endian.
 * - Page: u64 number, u16, u16 flags, then u16 lower and u16 upper, or u32 pages of an overflow run; 16 bytes. Offsets of nodes (u16)
 *   follow up to `lower`.
 * - Node: u16 and u16 low bits, u16 flags, u16 key length, the key; in a branch the number of a page (48 bits from the first three), in a leaf
 *   the length of the value, then the value or, when it is big, the u64 number of its first overflow page.
 * - Meta, on pages 0 and 1 after the header: u32 magic, u32 version, address, map size, then two databases of 48 bytes, the
 *   second of which is the data; u64 last page, u64 transaction.
 * - Database: u32 page size (in the first), u16 flags, u16 depth, u64 branch, leaf and overflow pages, u64 entries, u64 root.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { messageOf, MillraceError } from '../core/errors.js';

/** Where the records of a file lie, in key order. Indices are of `[0, numRecords)`. */
export interface LmdbFile {
  readonly path: string;
  /** Open for reading until {@link close}; any thread of the process may read from it. */
  readonly descriptor: number;
  readonly numRecords: number;
  /** Bytes of the longest value. */
  readonly maxValueBytes: number;
  /** Offset and length in bytes. */
  valueOffset(index: number): number;
  valueLength(index: number): number;
  /** A new buffer. Throws ERR_SHARD_CORRUPT when the file ends before it. */
  key(index: number): Buffer;
  close(): void;
}

const META = { magic: 16, version: 20, pageSize: 40, data: 88, lastPage: 136, transaction: 144, bytes: 152 } as const;
const DATABASE = { flags: 4, depth: 6, entries: 32, root: 40 } as const;
const MAGIC = 0xbeefc0de;
const PAGE_HEADER_BYTES = 16;
const NODE_HEADER_BYTES = 8;
const PAGE_FLAG = { branch: 0x01, leaf: 0x02 } as const;
const NODE_FLAG_BIG = 0x01;
/** A tree of the smallest pages and 2^40 records is not as deep. */
const MAX_DEPTH = 32;
const NO_PAGE = 0xffff_ffff_ffff_ffffn;

/** Throws ERR_SHARD_CORRUPT when there is no such file, or it is not of that format, or does not hold together. */
export function openLmdbFile(path: string): LmdbFile {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    throw corrupt(path, `cannot be opened: ${messageOf(error)}`, error);
  }
  try {
    return index(path, descriptor);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/** Reads exactly `target.length` bytes at `offset`. Throws ERR_SHARD_CORRUPT when the file ends before that or cannot be read. */
export function readExactly(path: string, descriptor: number, target: Uint8Array, offset: number): void {
  let numRead = 0;
  while (numRead < target.length) {
    let now: number;
    try {
      now = readSync(descriptor, target, numRead, target.length - numRead, offset + numRead);
    } catch (error) {
      throw corrupt(path, `cannot be read at ${offset}: ${messageOf(error)}`, error);
    }
    if (now === 0) throw corrupt(path, `ends at ${offset + numRead}, before a page that it refers to`);
    numRead += now;
  }
}

function index(path: string, descriptor: number): LmdbFile {
  const fail = (what: string): never => {
    throw corrupt(path, what);
  };
  const fileBytes = fstatSync(descriptor).size;
  const meta = newestMeta(path, descriptor);
  const pageBytes = meta.readUInt32LE(META.pageSize);
  if (pageBytes < 512 || pageBytes > 65_536 || (pageBytes & (pageBytes - 1)) !== 0)
    fail(`has pages of ${pageBytes} bytes`);
  const numRecords = Number(meta.readBigUInt64LE(META.data + DATABASE.entries));
  if (numRecords > fileBytes / NODE_HEADER_BYTES) fail(`says that it holds ${numRecords} records`);
  if (meta.readUInt16LE(META.data + DATABASE.flags) !== 0) fail('has keys with several values, or integers as keys');

  const valueOffsets = new Float64Array(numRecords);
  const valueLengths = new Uint32Array(numRecords);
  const keyOffsets = new Float64Array(numRecords);
  const keyLengths = new Uint16Array(numRecords);
  let numFound = 0;
  let maxValueBytes = 0;

  const visitLeaf = (page: Buffer, at: number, pageOffset: number): void => {
    const length = page.readUInt16LE(at) + page.readUInt16LE(at + 2) * 0x1_0000;
    const keyBytes = page.readUInt16LE(at + 6);
    const value = at + NODE_HEADER_BYTES + keyBytes;
    const nodeFlags = page.readUInt16LE(at + 4);
    const isBig = nodeFlags === NODE_FLAG_BIG;
    if (nodeFlags > NODE_FLAG_BIG || numFound === numRecords || value + (isBig ? 8 : length) > pageBytes) {
      fail(`has a damaged leaf page at ${pageOffset}`);
    }
    const offset = isBig ? Number(page.readBigUInt64LE(value)) * pageBytes + PAGE_HEADER_BYTES : pageOffset + value;
    if (offset + length > fileBytes) fail(`ends at ${fileBytes}, before a value at ${offset}`);
    valueOffsets[numFound] = offset;
    valueLengths[numFound] = length;
    keyOffsets[numFound] = pageOffset + at + NODE_HEADER_BYTES;
    keyLengths[numFound] = keyBytes;
    maxValueBytes = Math.max(maxValueBytes, length);
    numFound++;
  };

  const visitPage = (pageNumber: number, depth: number): void => {
    const page = Buffer.allocUnsafe(pageBytes);
    const pageOffset = pageNumber * pageBytes;
    readExactly(path, descriptor, page, pageOffset);
    const flags = page.readUInt16LE(10);
    const end = page.readUInt16LE(12);
    const isRight = flags === PAGE_FLAG.branch || flags === PAGE_FLAG.leaf;
    if (!isRight || depth > MAX_DEPTH || end > pageBytes) fail(`has a damaged page at ${pageOffset}`);
    for (let pointer = PAGE_HEADER_BYTES; pointer < end; pointer += 2) {
      const at = page.readUInt16LE(pointer);
      if (at + NODE_HEADER_BYTES > pageBytes) fail(`has a damaged page at ${pageOffset}`);
      if (flags === PAGE_FLAG.leaf) visitLeaf(page, at, pageOffset);
      else visitPage(page.readUIntLE(at, 6), depth + 1);
    }
  };

  const root = meta.readBigUInt64LE(META.data + DATABASE.root);
  if (root !== NO_PAGE) visitPage(Number(root), 1);
  if (numFound !== numRecords) fail(`holds ${numFound} records and says that it holds ${numRecords}`);

  return {
    path,
    descriptor,
    numRecords,
    maxValueBytes,
    valueOffset: (at) => valueOffsets[at],
    valueLength: (at) => valueLengths[at],
    key(at) {
      const key = Buffer.allocUnsafe(keyLengths[at]);
      readExactly(path, descriptor, key, keyOffsets[at]);
      return key;
    },
    close: () => closeSync(descriptor),
  };
}

/** The meta page of the last transaction that was finished. */
function newestMeta(path: string, descriptor: number): Buffer {
  const first = Buffer.alloc(META.bytes);
  readExactly(path, descriptor, first, 0);
  if (first.readUInt32LE(META.magic) !== MAGIC) throw corrupt(path, 'is no LMDB file');
  const version = first.readUInt32LE(META.version);
  if (version !== 1) throw corrupt(path, `is of LMDB's data format v${version}, expected v1`);
  const second = Buffer.alloc(META.bytes);
  readExactly(path, descriptor, second, first.readUInt32LE(META.pageSize));
  const isSecondGood = second.readUInt32LE(META.magic) === MAGIC;
  const isSecondNewer = second.readBigUInt64LE(META.transaction) > first.readBigUInt64LE(META.transaction);
  return isSecondGood && isSecondNewer ? second : first;
}

function corrupt(path: string, what: string, cause?: unknown): MillraceError {
  return new MillraceError('ERR_SHARD_CORRUPT', `${path} ${what}`, { cause, context: { path } });
}
