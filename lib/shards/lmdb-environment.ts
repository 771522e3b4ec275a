/**
 * Making LMDB environments of data format v1, the one that Caffe, py-lmdb and mdb_stat read. The prebuilt library of npm's
 * `lmdb` writes v2, so the format is proved before anything is written.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { getSystemErrorName } from 'node:util';
import { open, type RootDatabase } from 'lmdb';
import { messageOf, MillraceError } from '../core/errors.js';
import { DATA_FILE, openLmdbFile } from './lmdb-file.js';

export type Environment = RootDatabase<Buffer, Buffer>;

/** Name of the file that LMDB makes beside the data file. */
export const LOCK_FILE = 'lock.mdb';

const BINARY = {
  noSubdir: false,
  encoding: 'binary',
  keyEncoding: 'binary',
  compression: false,
  maxDbs: 0,
} as const;

/**
 * Makes a new environment in an existing, empty folder. Nothing is flushed until the caller syncs the closed file: a folder
 * that is renamed into place only then needs no earlier flush.
 *
 * Throws ERR_LMDB_FORMAT, and the system's errors as {@link withSystemName} has them.
 *
 * @param mapSizeBytes most that the file can grow to; address space only. Data format v1 does not grow it by itself.
 */
export function createEnvironment(folder: string, mapSizeBytes: number): Environment {
  proveFormat(folder);
  return open<Buffer, Buffer>({ ...BINARY, path: folder, mapSize: mapSizeBytes, noSync: true });
}

/**
 * An error of LMDB's under the name that Node has for it: LMDB tells the system's number. It says EIO of a write of which the disk
 * took only a part, as a full one does. Anything else is returned as it is.
 */
export function withSystemName(error: unknown): unknown {
  const number = (error as { readonly code?: unknown } | undefined)?.code;
  if (typeof number !== 'number' || number <= 0) return error;
  return Object.assign(new Error(messageOf(error), { cause: error }), { code: getSystemErrorName(-number) });
}

let isProved = false;

/**
 * Throws ERR_LMDB_FORMAT, saying how to rebuild, when the native library writes anything but v1. Done once a process, in a folder
 * of its own where the environment will be: what can be written there need not be possible elsewhere.
 */
function proveFormat(folder: string): void {
  if (isProved) return;
  const scratch = mkdtempSync(join(folder, 'proof-'));
  try {
    const environment = open<Buffer, Buffer>({ ...BINARY, path: scratch, mapSize: 1 << 20, noSync: true });
    environment.putSync(Buffer.from('key'), Buffer.from('value'));
    void environment.close();
    readProof(join(scratch, DATA_FILE));
    isProved = true;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function readProof(dataFile: string): void {
  try {
    openLmdbFile(dataFile).close();
  } catch (error) {
    throw new MillraceError(
      'ERR_LMDB_FORMAT',
      `the native part of the lmdb package does not write data format v1, the one that Caffe can read (${messageOf(error)}); ` +
        'rebuild it with "make build" (it runs LMDB_DATA_V1=true npm_config_build_from_source=true npm rebuild lmdb)',
      { cause: error },
    );
  }
}
