/**
 * Going through an LMDB data file (format v1) page by page, with every number in it checked before it is used. LMDB itself trusts
 * its pages, and a damaged one may take the process with it: this reads what may be damaged, and nothing but reads it.
 *
 * Offsets are liblmdb's structures: MDB_page (16 bytes of header), MDB_meta, MDB_db, MDB_node.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { MillraceError } from '../core/errors.js';
import { DATA_FILE } from './lmdb-environment.js';

export interface ScannedRecord {
  readonly key: Buffer;
  /** Valid until the next record is asked for. */
  readonly value: Buffer;
}

const HEADER_BYTES = 16;
const FLAGS_AT = 10;
const LOWER_AT = 12;
const META = { magic: 16, version: 20, pageSize: 40, depth: 94, entries: 120, root: 128, transaction: 144 };
const MAGIC = 0xbeefc0de;
const VERSION = 1;
const NODE_HEADER_BYTES = 8;
const NODE_IS_BIG = 0x01;
const PAGE_IS_BRANCH = 0x01;
const PAGE_IS_LEAF = 0x02;
const PAGE_IS_BIG = 0x04;
/** Of a value with pages of its own: how many, where other pages have their lower and upper bounds. */
const NUM_PAGES_AT = 12;
const NO_PAGE = 0xffff_ffff_ffff_ffffn;
const MAX_DEPTH = 32;

/**
 * The records of the environment in `folder`, in key order. Throws ERR_SHARD_CORRUPT, naming the page, where the file is not what
 * LMDB writes; the system's error when it cannot be read.
 */
export function* scanRecords(folder: string): Generator<ScannedRecord, void> {
  const path = join(folder, DATA_FILE);
  const descriptor = openSync(path, 'r');
  try {
    yield* new PageScan(path, descriptor, fstatSync(descriptor).size).records();
  } finally {
    closeSync(descriptor);
  }
}

class PageScan {
  private pageSize = 4096;
  /** Of values that have pages of their own; used again for each. */
  private big = Buffer.alloc(0);

  constructor(
    private readonly path: string,
    private readonly descriptor: number,
    private readonly fileBytes: number,
  ) {}

  *records(): Generator<ScannedRecord, void> {
    const meta = this.newestMeta();
    const numRecords = meta.readBigUInt64LE(META.entries);
    let numFound = 0n;
    const root = meta.readBigUInt64LE(META.root);
    if (root !== NO_PAGE) {
      for (const record of this.below(root, meta.readUInt16LE(META.depth))) {
        numFound++;
        yield record;
      }
    }
    if (numFound !== numRecords) throw this.corrupt(0n, `says ${numRecords} records, but there are ${numFound}`);
  }

  /** The file begins with two meta pages; that of the later transaction counts. */
  private newestMeta(): Buffer {
    const first = this.meta(0n);
    this.pageSize = first.readUInt32LE(META.pageSize);
    if (this.pageSize < 512 || this.pageSize > 65_536) throw this.corrupt(0n, `pages of ${this.pageSize} bytes`);
    const second = this.meta(1n);
    return second.readBigUInt64LE(META.transaction) > first.readBigUInt64LE(META.transaction) ? second : first;
  }

  private meta(page: bigint): Buffer {
    const bytes = this.read(page, this.pageSize);
    if (bytes.readUInt32LE(META.magic) !== MAGIC || bytes.readUInt32LE(META.version) !== VERSION) {
      throw this.corrupt(page, 'is no meta page of data format v1');
    }
    return bytes;
  }

  /** @param depth levels of pages from this one down; 1 for a leaf */
  private *below(page: bigint, depth: number): Generator<ScannedRecord, void> {
    if (depth < 1 || depth > MAX_DEPTH) throw this.corrupt(page, `lies ${depth} levels above its leaves`);
    const bytes = this.read(page, this.pageSize);
    const expected = depth === 1 ? PAGE_IS_LEAF : PAGE_IS_BRANCH;
    const lower = bytes.readUInt16LE(LOWER_AT);
    if ((bytes.readUInt16LE(FLAGS_AT) & 0x0f) !== expected || lower < HEADER_BYTES || lower > this.pageSize) {
      throw this.corrupt(page, `is no ${depth === 1 ? 'leaf' : 'branch'} page`);
    }
    for (let at = HEADER_BYTES; at < lower; at += 2) {
      const begin = bytes.readUInt16LE(at);
      const keyBegin = begin + NODE_HEADER_BYTES;
      if (keyBegin > this.pageSize) throw this.corrupt(page, 'has a node that leaves the page');
      const [low, high, flags, keyBytes] = [0, 2, 4, 6].map((offset) => bytes.readUInt16LE(begin + offset));
      const keyEnd = keyBegin + keyBytes;
      if (keyEnd > this.pageSize) throw this.corrupt(page, 'has a key that leaves the page');
      if (depth > 1) {
        yield* this.below(BigInt(low) + (BigInt(high) << 16n) + (BigInt(flags) << 32n), depth - 1);
        continue;
      }
      const valueBytes = low + high * 0x1_0000;
      const isBig = (flags & NODE_IS_BIG) !== 0;
      if (keyEnd + (isBig ? 8 : valueBytes) > this.pageSize)
        throw this.corrupt(page, 'has a value that leaves the page');
      yield {
        key: bytes.subarray(keyBegin, keyEnd),
        value: isBig
          ? this.readBig(bytes.readBigUInt64LE(keyEnd), valueBytes)
          : bytes.subarray(keyEnd, keyEnd + valueBytes),
      };
    }
  }

  /** LMDB fills the rest of the last page with zeros. */
  private readBig(page: bigint, valueBytes: number): Buffer {
    const valueEnd = HEADER_BYTES + valueBytes;
    const numPages = Math.ceil(valueEnd / this.pageSize);
    const numBytes = numPages * this.pageSize;
    if (this.big.length < numBytes) this.big = Buffer.allocUnsafe(numBytes);
    const bytes = this.read(page, numBytes, this.big);
    if (
      bytes.readBigUInt64LE(0) !== page ||
      bytes.readUInt16LE(FLAGS_AT) !== PAGE_IS_BIG ||
      bytes.readUInt32LE(NUM_PAGES_AT) !== numPages ||
      bytes.subarray(valueEnd).some((byte) => byte !== 0)
    ) {
      throw this.corrupt(page, `is not the first of ${numPages} pages of a value`);
    }
    return bytes.subarray(HEADER_BYTES, valueEnd);
  }

  private read(page: bigint, numBytes: number, room: Buffer = Buffer.allocUnsafe(numBytes)): Buffer {
    const position = page * BigInt(this.pageSize);
    if (position + BigInt(numBytes) > BigInt(this.fileBytes)) throw this.corrupt(page, 'lies past the end of the file');
    const bytes = room.subarray(0, numBytes);
    if (readSync(this.descriptor, bytes, 0, numBytes, Number(position)) < numBytes) {
      throw this.corrupt(page, 'cannot be read whole');
    }
    return bytes;
  }

  private corrupt(page: bigint, what: string): MillraceError {
    return new MillraceError('ERR_SHARD_CORRUPT', `${this.path}: page ${page} ${what}`, {
      context: { path: this.path, page: Number(page) },
    });
  }
}
