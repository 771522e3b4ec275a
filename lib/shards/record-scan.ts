/** Going through an LMDB file's records with the rest of its numbers checked too: those in the pages of large values. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { corruptPage, DATA_FILE, openLmdbFile, PAGE_HEADER_BYTES, readExactly, type LmdbFile } from './lmdb-file.js';

export interface ScannedRecord {
  readonly key: Buffer;
  /** Valid until the next record is asked for. */
  readonly value: Buffer;
}

const FLAGS_AT = 10;
const NUM_PAGES_AT = 12;
const PAGE_IS_OVERFLOW = 0x04;

/**
 * The records of the environment in `folder`, in key order. Throws ERR_SHARD_CORRUPT, naming the page, where its file is not what
 * a shard's writer makes.
 */
export function* scanRecords(folder: string): Generator<ScannedRecord, void> {
  const file = openLmdbFile(join(folder, DATA_FILE));
  try {
    const room = Buffer.allocUnsafe(numPagesOf(file.maxValueBytes, file.pageBytes) * file.pageBytes);
    for (let index = 0; index < file.numRecords; index++) {
      yield { key: file.readKey(file.descriptor, index), value: readChecked(file, index, room) };
    }
  } finally {
    file.close();
  }
}

/** Bytes of values between two turns of others. */
const BYTES_PER_TURN = 16 << 20;

/** What a manifest says of a shard's records. */
export interface ScannedContent {
  readonly numSamples: number;
  /** SHA-256 over keys and values, in hex. */
  readonly contentDigest: string;
}

/**
 * Goes through all of a shard's records; others on this thread get their turns. Throws as {@link scanRecords} does, and what is thrown by `visit`
 * and by `onTurn`, which is told of the bytes of values done.
 */
export async function scanContent(
  folder: string,
  visit: (record: ScannedRecord) => Promise<void> | void = () => undefined,
  onTurn: (doneBytes: number) => void = () => undefined,
): Promise<ScannedContent> {
  const content = createHash('sha256');
  let [numSamples, numBytes, turnBytes] = [0, 0, 0];
  for (const record of scanRecords(folder)) {
    content.update(record.key).update(record.value);
    numSamples++;
    await visit(record);
    turnBytes += record.value.length;
    if (turnBytes < BYTES_PER_TURN) continue;
    numBytes += turnBytes;
    turnBytes = 0;
    await setImmediate();
    onTurn(numBytes);
  }
  return { numSamples, contentDigest: content.digest('hex') };
}

/**
 * A value that has pages of its own is read with all of them. LMDB fills the last one of several up with zeros; a page alone is often one
 * that it used before, and ends in what stood there.
 */
function readChecked(file: LmdbFile, index: number, room: Buffer): Buffer {
  const { path, descriptor, pageBytes } = file;
  const offset = file.valueOffset(index);
  const length = file.valueLength(index);
  // In a leaf there is a node's header before a value.
  const hasPages = offset % pageBytes === PAGE_HEADER_BYTES;
  if (!hasPages) {
    const value = room.subarray(0, length);
    readExactly(path, descriptor, value, offset);
    return value;
  }
  const numPages = numPagesOf(length, pageBytes);
  const bytes = room.subarray(0, numPages * pageBytes);
  const page = Math.floor(offset / pageBytes);
  readExactly(path, descriptor, bytes, page * pageBytes);
  const valueEnd = PAGE_HEADER_BYTES + length;
  if (
    bytes.readBigUInt64LE(0) !== BigInt(page) ||
    bytes.readUInt16LE(FLAGS_AT) !== PAGE_IS_OVERFLOW ||
    bytes.readUInt32LE(NUM_PAGES_AT) !== numPages ||
    (numPages > 1 && bytes.subarray(valueEnd).some((byte) => byte !== 0))
  ) {
    throw corruptPage(path, page, `is not the first of ${numPages} pages of a value`);
  }
  return bytes.subarray(PAGE_HEADER_BYTES, valueEnd);
}

function numPagesOf(valueBytes: number, pageBytes: number): number {
  return Math.ceil((PAGE_HEADER_BYTES + valueBytes) / pageBytes);
}
