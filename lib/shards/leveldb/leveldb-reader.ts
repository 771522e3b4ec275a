/** Reading a LevelDB database of Datums, whoever wrote it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { messageOf, MillraceError } from '../../core/errors.js';
import { decodeDatum, type Datum } from '../datum.js';
import { LEVELDB_OPTIONS } from './leveldb-options.js';

export interface LeveldbRecord {
  readonly key: string;
  /** Its data are the caller's own. */
  readonly datum: Datum;
}

/** Records fetched at a time; the iterator stops sooner when they are large. */
const RECORDS_PER_TURN = 64;

/**
 * All records in key order, some at a time. Like Caffe's, the reading locks the database, and completes what its writer left in
 * the log. Throws ERR_SHARD_CORRUPT when there is no LevelDB, it cannot be read, or a record is not a Datum.
 */
export async function* readLeveldb(folder: string): AsyncGenerator<LeveldbRecord[], void> {
  const corrupt = (what: string, cause?: unknown): MillraceError =>
    new MillraceError('ERR_SHARD_CORRUPT', `${folder}: ${what}`, { cause, context: { path: folder } });
  // Opening one that is not there would make its folder.
  if (!existsSync(join(folder, 'CURRENT'))) throw corrupt('expected a LevelDB database, found none');
  const database = new ClassicLevel<Buffer, Buffer>(folder, { ...LEVELDB_OPTIONS, createIfMissing: false });
  try {
    await database.open();
    const iterator = database.iterator();
    for (;;) {
      const entries = await iterator.nextv(RECORDS_PER_TURN);
      if (entries.length === 0) return;
      yield entries.map(([key, value]) => ({ key: key.toString(), datum: decodeDatum(value) }));
    }
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    const { cause } = error as Error;
    throw corrupt(`LevelDB cannot read it: ${messageOf(cause ?? error)}`, error);
  } finally {
    await database.close();
  }
}
