/**
 * A finished LMDB file of data format v1, read as a file: its tree is walked once, and what is kept is where each value lies. A
 * reader then takes values by offset, in any thread, from one descriptor. LMDB itself trusts its pages, and a file that is cut short or
 * damaged may take the process with it: here every number is checked before it is used, and such a file is an error.
 *
 * The format is that of liblmdb 0.9 on 64-bit machines. Numbers are little endian.
 * - Page: u64 number, u16, u16 flags, then u16 lower and u16 upper, or u32 pages of an overflow run; 16 bytes. Offsets of nodes (u16)
 *   follow up to `lower`; the nodes begin at `upper`.
 * - Node: u16 and u16 low bits, u16 flags, u16 key length, the key; in a branch the number of a page (48 bits from the first three), in a leaf
 *   the length of the value, then the value or, when it is big, the u64 number of its first overflow page.
 * - Meta, on pages 0 and 1 after the header: u32 magic, u32 version, address, map size, then two databases of 48 bytes, the
 *   second of which is the data; u64 last page, u64 transaction. That of the later transaction counts.
 * - Database: u32 page size (in the first), u16 flags, u16 depth, u64 branch, leaf and overflow pages, u64 entries, u64 root.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { messageOf, MillraceError } from '../core/errors.js';

/** Name of the file in an environment's folder. */
export const DATA_FILE = 'data.mdb';

/** Of every page. A value with pages of its own follows that of the first. */
export const PAGE_HEADER_BYTES = 16;

/** Where the records of a file lie, in key order. Indices are of `[0, numRecords)`, offsets and lengths in bytes. */
export interface LmdbIndex {
  readonly path: string;
  readonly pageBytes: number;
  readonly numRecords: number;
  /** Bytes of the longest value. */
  readonly maxValueBytes: number;
  valueOffset(index: number): number;
  valueLength(index: number): number;
  /** A new buffer, read from the file, open as `descriptor`. Throws ERR_SHARD_CORRUPT when the file ends before it. */
  readKey(descriptor: number, index: number): Buffer;
}

/** A file with its index. */
export interface LmdbFile extends LmdbIndex {
  /** Open for reading until {@link close}. */
  readonly descriptor: number;
  close(): void;
}

const META = { magic: 16, version: 20, pageSize: 40, data: 88, transaction: 144, bytes: 152 } as const;
const DATABASE = { flags: 4, depth: 6, entries: 32, root: 40 } as const;
const MAGIC = 0xbeefc0de;
const NODE_HEADER_BYTES = 8;
const PAGE_FLAG = { branch: 0x01, leaf: 0x02 } as const;
const NODE_FLAG_BIG = 0x01;
/** As deep as LMDB's own cursors go. */
const MAX_DEPTH = 32;
const NO_PAGE = 0xffff_ffff_ffff_ffffn;

/**
 * Throws ERR_SHARD_CORRUPT, naming the page, when the file is not of that format or does not hold together; also when there is none.
 * What lies in the pages of large values is not looked at: see `record-scan.ts`.
 */
export function openLmdbFile(path: string): LmdbFile {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    throw corrupt(path, `cannot be opened: ${messageOf(error)}`, error);
  }
  try {
    return { ...indexLmdbFile(path, descriptor), descriptor, close: () => closeSync(descriptor) };
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

/** The error that says what is wrong with a page. */
export function corruptPage(path: string, page: number, what: string): MillraceError {
  return new MillraceError('ERR_SHARD_CORRUPT', `${path}: page ${page} ${what}`, { context: { path, page } });
}

/** The index of a file that is open. Throws as {@link openLmdbFile} does. */
export function indexLmdbFile(path: string, descriptor: number): LmdbIndex {
  const fileBytes = fstatSync(descriptor).size;
  const { pageBytes, numRecords, depth, root, metaPage } = readMeta(path, descriptor, fileBytes);
  const valueOffsets = new Float64Array(numRecords);
  const valueLengths = new Uint32Array(numRecords);
  const keyOffsets = new Float64Array(numRecords);
  const keyLengths = new Uint16Array(numRecords);
  let numFound = 0;
  let maxValueBytes = 0;
  const pages = Array.from({ length: depth }, () => Buffer.allocUnsafe(pageBytes));

  const visitLeafNode = (page: Buffer, at: number, keyBytes: number, pageNumber: number): void => {
    const length = page.readUInt16LE(at) + page.readUInt16LE(at + 2) * 0x1_0000;
    const flags = page.readUInt16LE(at + 4);
    const isBig = flags === NODE_FLAG_BIG;
    const key = at + NODE_HEADER_BYTES;
    const value = key + keyBytes;
    if (flags > NODE_FLAG_BIG || value + (isBig ? 8 : length) > pageBytes) {
      throw corruptPage(path, pageNumber, 'has a value that leaves the page, or of no known kind');
    }
    if (numFound === numRecords) throw corruptPage(path, metaPage, `says ${numRecords} records, but there are more`);
    const begin = pageNumber * pageBytes;
    const offset = isBig ? Number(page.readBigUInt64LE(value)) * pageBytes + PAGE_HEADER_BYTES : begin + value;
    if (offset + length > fileBytes) throw beyondEnd(path, Math.floor(offset / pageBytes), fileBytes);
    valueOffsets[numFound] = offset;
    valueLengths[numFound] = length;
    keyOffsets[numFound] = begin + key;
    keyLengths[numFound] = keyBytes;
    maxValueBytes = Math.max(maxValueBytes, length);
    numFound++;
  };

  /** @param level of pages from the leaves up; they are level 1. No page is without nodes, so a loop ends at `numRecords`. */
  const visitPage = (pageNumber: number, level: number): void => {
    const page = pages[level - 1];
    if ((pageNumber + 1) * pageBytes > fileBytes) throw beyondEnd(path, pageNumber, fileBytes);
    readExactly(path, descriptor, page, pageNumber * pageBytes);
    const kind = level === 1 ? 'leaf' : 'branch';
    if (page.readBigUInt64LE(0) !== BigInt(pageNumber) || page.readUInt16LE(10) !== PAGE_FLAG[kind]) {
      throw corruptPage(path, pageNumber, `is no ${kind} page`);
    }
    const lower = page.readUInt16LE(12);
    const upper = page.readUInt16LE(14);
    if (lower <= PAGE_HEADER_BYTES || lower % 2 !== 0 || lower > upper) {
      throw corruptPage(path, pageNumber, `has nodes of ${upper} on, and their offsets up to ${lower}`);
    }
    for (let pointer = PAGE_HEADER_BYTES; pointer < lower; pointer += 2) {
      const at = page.readUInt16LE(pointer);
      const isInside = at >= upper && at + NODE_HEADER_BYTES <= pageBytes;
      const keyBytes = isInside ? page.readUInt16LE(at + 6) : 0;
      if (!isInside || at + NODE_HEADER_BYTES + keyBytes > pageBytes) {
        throw corruptPage(path, pageNumber, 'has a node that leaves the page');
      }
      if (level === 1) visitLeafNode(page, at, keyBytes, pageNumber);
      else visitPage(page.readUIntLE(at, 6), level - 1);
    }
  };

  if (root !== undefined) visitPage(root, depth);
  if (numFound < numRecords) {
    throw corruptPage(path, metaPage, `says ${numRecords} records, but there are ${numFound}`);
  }

  return {
    path,
    pageBytes,
    numRecords,
    maxValueBytes,
    valueOffset: (at) => valueOffsets[at],
    valueLength: (at) => valueLengths[at],
    readKey(from, at) {
      const key = Buffer.allocUnsafe(keyLengths[at]);
      readExactly(path, from, key, keyOffsets[at]);
      return key;
    },
  };
}

interface Meta {
  readonly metaPage: number;
  readonly pageBytes: number;
  readonly numRecords: number;
  /** Levels of pages; 0 without a root. */
  readonly depth: number;
  /** Undefined: there is no record. */
  readonly root: number | undefined;
}

/** What the last transaction that was finished says. */
function readMeta(path: string, descriptor: number, fileBytes: number): Meta {
  const read = (page: number, offset: number): Buffer => {
    if (offset + META.bytes > fileBytes) throw beyondEnd(path, page, fileBytes);
    const meta = Buffer.alloc(META.bytes);
    readExactly(path, descriptor, meta, offset);
    if (meta.readUInt32LE(META.magic) !== MAGIC) throw corruptPage(path, page, 'is no meta page; this is no LMDB file');
    const version = meta.readUInt32LE(META.version);
    if (version !== 1) throw corruptPage(path, page, `is of LMDB's data format v${version}, expected v1`);
    return meta;
  };
  const first = read(0, 0);
  const pageBytes = first.readUInt32LE(META.pageSize);
  if (pageBytes < 512 || pageBytes > 32_768 || (pageBytes & (pageBytes - 1)) !== 0) {
    throw corruptPage(path, 0, `says pages of ${pageBytes} bytes`);
  }
  const second = read(1, pageBytes);
  const isSecondNewer = second.readBigUInt64LE(META.transaction) > first.readBigUInt64LE(META.transaction);
  const [meta, metaPage] = isSecondNewer ? [second, 1] : [first, 0];

  const numRecords = Number(meta.readBigUInt64LE(META.data + DATABASE.entries));
  const depth = meta.readUInt16LE(META.data + DATABASE.depth);
  const root = meta.readBigUInt64LE(META.data + DATABASE.root);
  const isEmpty = root === NO_PAGE;
  if (numRecords > fileBytes / NODE_HEADER_BYTES || depth > MAX_DEPTH || (depth === 0) !== isEmpty) {
    throw corruptPage(path, metaPage, `says ${numRecords} records, ${depth} levels of pages deep`);
  }
  if (meta.readUInt16LE(META.data + DATABASE.flags) !== 0) {
    throw corruptPage(path, metaPage, 'says keys with several values, or integers as keys');
  }
  return { metaPage, pageBytes, numRecords, depth, root: isEmpty ? undefined : Number(root) };
}

function beyondEnd(path: string, page: number, fileBytes: number): MillraceError {
  return corruptPage(path, page, `lies past the end of the file, which ends at ${fileBytes}`);
}

function corrupt(path: string, what: string, cause?: unknown): MillraceError {
  return new MillraceError('ERR_SHARD_CORRUPT', `${path} ${what}`, { cause, context: { path } });
}
