/** Reading a shard: records by their index in key order. */
import type { Transaction } from 'lmdb';
import { codeOf, MillraceError } from '../core/errors.js';
import { decodeDatum, type Datum } from './datum.js';
import { openEnvironment, type Environment } from './lmdb-environment.js';

export interface ShardReader {
  readonly folder: string;
  readonly numSamples: number;
  /** A record's key; `index` in `[0, numSamples)`. */
  keyAt(index: number): string;
  /**
   * Reads records by index, in the order given. The Datum and its data are LMDB's own memory: valid only inside `visit`.
   * Throws ERR_SHARD_CORRUPT when a record is missing or not a Datum.
   */
  read(indices: Iterable<number>, visit: (datum: Datum, index: number) => void): void;
  /** As `read`, but the record's own bytes, unparsed. */
  readBytes(indices: Iterable<number>, visit: (value: Uint8Array, index: number) => void): void;
  close(): Promise<void>;
}

/** Opens the shard in `folder` and reads its keys into one packed table. Throws ERR_SHARD_CORRUPT when it is not a v1 environment. */
export function openShard(folder: string): ShardReader {
  const { environment, close } = openEnvironment(folder);
  const keys = readKeys(environment);
  const reader = environment as unknown as TransactionReader;

  const readBytes = (indices: Iterable<number>, visit: (value: Uint8Array, index: number) => void): void => {
    // One explicit transaction for the whole call: the implicit ones of two threads of a process get in each other's way.
    const transaction = environment.useReadTransaction();
    try {
      for (const index of indices) {
        // The buffer that comes back is shared by all reads and longer than the value; its `length` is the value's.
        const value = reader.getBinaryFast(keys.at(index), { transaction });
        if (value === undefined) throw corrupt(folder, `record "${keys.at(index).toString()}" is missing`);
        visit(value.subarray(0, value.length), index);
      }
    } catch (error) {
      throw codeOf(error)?.startsWith('ERR_') === true ? error : corrupt(folder, 'LMDB cannot read it', error);
    } finally {
      transaction.done();
    }
  };

  return {
    folder,
    numSamples: keys.count,
    keyAt: (index) => keys.at(index).toString(),
    readBytes,
    read(indices, visit) {
      readBytes(indices, (value, index) => visit(decodeDatum(value), index));
    },
    close,
  };
}

/** `getBinaryFast` takes the options of `get`, which its published types leave out. */
interface TransactionReader {
  getBinaryFast(key: Buffer, options: { transaction: Transaction }): Buffer | undefined;
}

/** All keys of a shard in one buffer: 1.3 million keys as objects would take ten times the memory. */
interface KeyTable {
  readonly count: number;
  /** A view of the table. */
  at(index: number): Buffer;
}

function readKeys(environment: Environment): KeyTable {
  const keys: Buffer[] = [];
  let totalBytes = 0;
  for (const key of environment.getKeys({})) {
    keys.push(Buffer.from(key));
    totalBytes += key.length;
  }
  const bytes = Buffer.allocUnsafe(totalBytes);
  const ends = new Uint32Array(keys.length);
  let end = 0;
  keys.forEach((key, index) => {
    bytes.set(key, end);
    end += key.length;
    ends[index] = end;
  });
  return {
    count: ends.length,
    at(index) {
      if (!(index >= 0 && index < ends.length)) {
        throw new MillraceError('ERR_OUT_OF_RANGE', `expected an index of [0, ${ends.length}), got ${index}`);
      }
      return bytes.subarray(index === 0 ? 0 : ends[index - 1], ends[index]);
    },
  };
}

function corrupt(folder: string, what: string, cause?: unknown): MillraceError {
  return new MillraceError('ERR_SHARD_CORRUPT', `shard ${folder}: ${what}`, { cause, context: { path: folder } });
}
