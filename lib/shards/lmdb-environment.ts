/**
 * Making LMDB environments of data format v1, the one that Caffe, py-lmdb and mdb_stat read. The prebuilt library of npm's
 * `lmdb` writes v2, so the format is proved before anything is written.
 */
import { closeSync, existsSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { MillraceError } from '../core/errors.js';

export type Environment = RootDatabase<Buffer, Buffer>;

/** Name of the data file in an environment's folder, and of the lock file that LMDB makes beside it. */
export const DATA_FILE = 'data.mdb';
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
 * @param mapSizeBytes most that the file can grow to; address space only. Data format v1 does not grow it by itself.
 */
export function createEnvironment(folder: string, mapSizeBytes: number): Environment {
  proveFormat();
  return open<Buffer, Buffer>({ ...BINARY, path: folder, mapSize: mapSizeBytes, noSync: true });
}

const MAGIC = 0xbeefc0de;
/** The first page begins with a 16-byte page header; magic and version follow (liblmdb's MDB_meta). */
const MAGIC_OFFSET = 16;

/** The data format version in a file's first meta page; undefined when it is no LMDB file or not there. */
export function formatVersionOf(dataFile: string): number | undefined {
  if (!existsSync(dataFile)) return undefined;
  const head = Buffer.alloc(MAGIC_OFFSET + 8);
  const descriptor = openSync(dataFile, 'r');
  try {
    if (readSync(descriptor, head, 0, head.length, 0) < head.length) return undefined;
  } finally {
    closeSync(descriptor);
  }
  return head.readUInt32LE(MAGIC_OFFSET) === MAGIC ? head.readUInt32LE(MAGIC_OFFSET + 4) : undefined;
}

let isProved = false;

/** Throws ERR_LMDB_FORMAT, saying how to rebuild, when the native library writes anything but v1. Done once a process. */
function proveFormat(): void {
  if (isProved) return;
  const scratch = mkdtempSync(join(tmpdir(), 'millrace-lmdb-'));
  try {
    const environment = open<Buffer, Buffer>({ ...BINARY, path: scratch, mapSize: 1 << 20, noSync: true });
    environment.putSync(Buffer.from('key'), Buffer.from('value'));
    const version = formatVersionOf(join(scratch, DATA_FILE));
    void environment.close();
    if (version !== 1) {
      throw new MillraceError(
        'ERR_LMDB_FORMAT',
        `the native part of the lmdb package writes data format v${version ?? '?'}, which Caffe cannot read; ` +
          'rebuild it with "make build" (it runs LMDB_DATA_V1=true npm_config_build_from_source=true npm rebuild lmdb)',
      );
    }
    isProved = true;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
