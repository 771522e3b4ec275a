/** Reading a shard: records by their index in key order. */
import { join } from 'node:path';
import { MillraceError } from '../core/errors.js';
import { decodeDatum, type Datum } from './datum.js';
import { DATA_FILE, indexLmdbFile, readExactly } from './lmdb-file.js';
import { OpenFiles, ShardFile } from './open-files.js';

export interface ShardReader {
  readonly numSamples: number;
  /** A record's key; `index` in `[0, numSamples)`. Throws ERR_OUT_OF_RANGE; what {@link ShardFile.hold} throws, as all below. */
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

/** Where a record lies: in a file that any thread of this process may read, while it is held. */
export interface RecordPlace {
  readonly file: ShardFile;
  readonly offset: number;
  readonly numBytes: number;
}

/** Holds the files of records; a descriptor each, in order. Throws what {@link ShardFile.hold} throws, and holds none of them then. */
export function holdPlaces(places: readonly RecordPlace[]): Int32Array {
  const descriptors = new Int32Array(places.length);
  for (let i = 0; i < places.length; i++) {
    try {
      descriptors[i] = places[i].file.hold();
    } catch (error) {
      releasePlaces(places.slice(0, i));
      throw error;
    }
  }
  return descriptors;
}

export function releasePlaces(places: readonly RecordPlace[]): void {
  for (const { file } of places) file.release();
}

/**
 * Opens the shard in `folder` and learns where its records lie. Throws ERR_SHARD_CORRUPT when it is no whole LMDB file of format
 * v1.
 */
export function openShard(folder: string): ShardReader {
  return readShard(new ShardFile(new OpenFiles(), { path: join(folder, DATA_FILE) }));
}

/** As {@link openShard}, of a file, which is the reader's from now on. */
export function readShard(file: ShardFile): ShardReader {
  const { path } = file;
  const index = file.use((descriptor) => indexLmdbFile(path, descriptor));
  const { numRecords } = index;

  const check = (at: number): void => {
    if (!(at >= 0 && at < numRecords)) {
      throw new MillraceError('ERR_OUT_OF_RANGE', `expected an index of [0, ${numRecords}), got ${at}`);
    }
  };
  const readBytes = (indices: Iterable<number>, visit: (value: Uint8Array, index: number) => void): void => {
    const room = Buffer.allocUnsafe(index.maxValueBytes);
    file.use((descriptor) => {
      for (const at of indices) {
        check(at);
        const value = room.subarray(0, index.valueLength(at));
        readExactly(path, descriptor, value, index.valueOffset(at));
        visit(value, at);
      }
    });
  };

  return {
    numSamples: numRecords,
    keyAt(at) {
      check(at);
      return file.use((descriptor) => index.readKey(descriptor, at)).toString();
    },
    placeOf(at) {
      check(at);
      return { file, offset: index.valueOffset(at), numBytes: index.valueLength(at) };
    },
    readBytes,
    read(indices, visit) {
      readBytes(indices, (value, at) => visit(decodeDatum(value), at));
    },
    close() {
      file.close();
      return Promise.resolve();
    },
  };
}
