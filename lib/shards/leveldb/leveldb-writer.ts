/**
 * Writing a LevelDB database as Caffe does, a thousand records a batch, in a folder of its own that is renamed into place: a
 * database that exists is whole.
 */
import { rm } from 'node:fs/promises';
import { ClassicLevel } from 'classic-level';
import { codeOf } from '../../core/errors.js';
import { commitRename, syncFolder, temporaryPathFor } from '../../platform/atomic-file.js';
import { toDiskError } from '../../platform/system-error.js';
import { LEVELDB_OPTIONS } from './leveldb-options.js';

export interface LeveldbWriter {
  /** Adds a record; key and value belong to the writer from then on. Throws ERR_DISK when there is no room. */
  add(key: Buffer, value: Buffer): Promise<void>;
  /** Flushes the database and renames it into its place. */
  commit(): Promise<void>;
  /** Drops everything; safe to call at any time, also after `commit` (then it does nothing). */
  abandon(): Promise<void>;
}

const RECORDS_PER_BATCH = 1000;
/** Batches stay in memory until they are written, so large records end one sooner. */
const MAX_BATCH_BYTES = 64 << 20;

/** Begins a database that will stand at `folder`, where there must be none. Throws ERR_DISK when nothing can be written there. */
export async function createLeveldbWriter(folder: string): Promise<LeveldbWriter> {
  const temporary = temporaryPathFor(folder);
  const database = new ClassicLevel<Buffer, Buffer>(temporary, { ...LEVELDB_OPTIONS, errorIfExists: true });
  await database.open().catch((error: unknown) => {
    throw toDiskError(error instanceof Error && error.cause !== undefined ? error.cause : error, folder);
  });
  let batch: { type: 'put'; key: Buffer; value: Buffer }[] = [];
  let batchBytes = 0;

  const write = async (sync: boolean): Promise<void> => {
    try {
      await database.batch(batch, { sync });
    } catch (error) {
      // It tells the system's reason in its message alone.
      const isOfDisk = error instanceof Error && codeOf(error) === 'LEVEL_IO_ERROR';
      throw toDiskError(
        isOfDisk ? Object.assign(new Error(error.message, { cause: error }), { code: 'EIO' }) : error,
        folder,
      );
    }
    batch = [];
    batchBytes = 0;
  };

  return {
    async add(key, value) {
      batch.push({ type: 'put', key, value });
      batchBytes += value.length;
      if (batch.length === RECORDS_PER_BATCH || batchBytes >= MAX_BATCH_BYTES) await write(false);
    },
    async commit() {
      // Flushes the log, and what came before it is flushed already.
      await write(true);
      await database.close();
      await syncFolder(temporary);
      await commitRename(temporary, folder);
    },
    async abandon() {
      await database.close();
      await rm(temporary, { recursive: true, force: true });
    },
  };
}
