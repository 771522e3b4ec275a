/** Reading a shard: records by their index in key order. */
import { join } from 'node:path';
import { MillraceError } from '../core/errors.js';
import { decodeDatum, type Datum } from './datum.js';
import { DATA_FILE, openLmdbFile, readExactly } from './lmdb-file.js';

export interface ShardReader {
  readonly folder: string;
  readonly numSamples: number;
  /** A record's key; `index` in `[0, numSamples)`. Throws ERR_OUT_OF_RANGE. */
  keyAt(index: number): string;
  /** Where a record lies. Throws ERR_OUT_OF_RANGE. */
  placeOf(index: number): RecordPlace;
  /**
   * Reads records by index, in the order given. The Datum and its data are the reader's own memory: valid only inside `visit`.
   * Throws ERR_SHARD_CORRUPT when a record is cut short or not a Datum.
   */
  read(indices: Iterable<number>, visit: (datum: Datum, index: number) => void): void;
  /** As `read`, but the record's own bytes, unparsed. */
  readBytes(indices: Iterable<number>, visit: (value: Uint8Array, index: number) => void): void;
  close(): Promise<void>;
}

/** Where a record lies: in an open file, for any thread of this process to read. Valid until the reader is closed. */
export interface RecordPlace {
  readonly descriptor: number;
  readonly offset: number;
  readonly numBytes: number;
  /** For messages. */
  readonly path: string;
}

/** Opens the shard in `folder` and learns where its records lie. Throws ERR_SHARD_CORRUPT when it is no whole LMDB file of format v1. */
export function openShard(folder: string): ShardReader {
  const path = join(folder, DATA_FILE);
  const file = openLmdbFile(path);
  const { descriptor, numRecords } = file;
  let isOpen = true;

  const check = (index: number): void => {
    if (!(index >= 0 && index < numRecords)) {
      throw new MillraceError('ERR_OUT_OF_RANGE', `expected an index of [0, ${numRecords}), got ${index}`);
    }
  };
  const readBytes = (indices: Iterable<number>, visit: (value: Uint8Array, index: number) => void): void => {
    const room = Buffer.allocUnsafe(file.maxValueBytes);
    for (const index of indices) {
      check(index);
      const value = room.subarray(0, file.valueLength(index));
      readExactly(path, descriptor, value, file.valueOffset(index));
      visit(value, index);
    }
  };

  return {
    folder,
    numSamples: numRecords,
    keyAt(index) {
      check(index);
      return file.key(index).toString();
    },
    placeOf(index) {
      check(index);
      return { descriptor, path, offset: file.valueOffset(index), numBytes: file.valueLength(index) };
    },
    readBytes,
    read(indices, visit) {
      readBytes(indices, (value, index) => visit(decodeDatum(value), index));
    },
    close() {
      if (isOpen) file.close();
      isOpen = false;
      return Promise.resolve();
    },
  };
}
