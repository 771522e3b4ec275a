/**
 * Writing a shard: an LMDB environment of records in key order, made in a folder of its own and renamed into place, so that a
 * shard that exists is whole. The same records give the same bytes of file.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, MillraceError } from '../core/errors.js';
import { commitRename, syncFolder, temporaryPathFor, toDiskError, writeFileAtomic } from '../platform/atomic-file.js';
import { createEnvironment, DATA_FILE, formatVersionOf, LOCK_FILE, type Environment } from './lmdb-environment.js';

/** The facts of a finished shard. */
export interface ShardFacts {
  readonly numSamples: number;
  /** Size of its data file. */
  readonly bytes: number;
  /** SHA-256 of the data file, hex: for transport. */
  readonly sha256: string;
  /** SHA-256 over keys and values in order, hex: the same content is the same digest wherever it was made. */
  readonly contentDigest: string;
}

export interface ShardWriter {
  /**
   * Adds a record. Keys must come in ascending order of bytes. Key and value belong to the writer from then on.
   * Throws ERR_INTERNAL on a key out of order, ERR_DISK when there is no room.
   */
  add(key: Buffer, value: Buffer): void;
  /** Ends the data file and tells its facts; the shard is not in its place yet. */
  finish(): Promise<ShardFacts>;
  /** Adds a small file that belongs to the shard; only between `finish` and `commit`. */
  addFile(name: string, content: string | Uint8Array): Promise<void>;
  /** Renames the shard into its place, over an older one if there is one. */
  commit(): Promise<void>;
  /** Drops everything; safe to call at any time, also after `commit` (then it does nothing). */
  abandon(): Promise<void>;
}

/** Records are handed to LMDB in transactions of about this size: dirty pages stay in memory until the transaction ends. */
const TRANSACTION_BYTES = 32 << 20;
const PAGE_BYTES = 4096;
const MAX_COMMIT_TRIES = 5;

/**
 * Begins a shard that will stand at `folder`.
 *
 * @param maxRecords most records that will be added
 * @param maxRecordBytes most bytes of one value; both decide how far the file may grow
 */
export async function createShardWriter(
  folder: string,
  maxRecords: number,
  maxRecordBytes: number,
): Promise<ShardWriter> {
  const temporary = temporaryPathFor(folder);
  await mkdir(temporary, { recursive: true });
  // A value of its own pages (16 bytes of header) each, a share of a leaf page for its key, and room for the tree.
  const pagesPerRecord = Math.ceil((maxRecordBytes + 16) / PAGE_BYTES) + 1;
  const environment = createEnvironment(temporary, (maxRecords * pagesPerRecord + 1024) * PAGE_BYTES);
  return new LmdbShardWriter(folder, temporary, environment);
}

class LmdbShardWriter implements ShardWriter {
  private readonly pending: { key: Buffer; value: Buffer }[] = [];
  private pendingBytes = 0;
  private lastKey: Buffer | undefined;
  private numSamples = 0;
  private readonly content: Hash = createHash('sha256');
  private isOpen = true;

  constructor(
    private readonly folder: string,
    private readonly temporary: string,
    private readonly environment: Environment,
  ) {}

  add(key: Buffer, value: Buffer): void {
    if (this.lastKey !== undefined && Buffer.compare(this.lastKey, key) >= 0) {
      throw new MillraceError(
        'ERR_INTERNAL',
        `record keys must ascend: "${key.toString()}" after "${this.lastKey.toString()}"`,
      );
    }
    this.lastKey = key;
    this.content.update(key).update(value);
    this.pending.push({ key, value });
    this.pendingBytes += value.length;
    this.numSamples++;
    if (this.pendingBytes >= TRANSACTION_BYTES) this.writePending();
  }

  async finish(): Promise<ShardFacts> {
    this.writePending();
    await this.close();
    const dataFile = join(this.temporary, DATA_FILE);
    await rm(join(this.temporary, LOCK_FILE), { force: true });
    if (formatVersionOf(dataFile) !== 1)
      throw new MillraceError('ERR_LMDB_FORMAT', `${dataFile} is not of data format v1`);
    const file = await open(dataFile, 'r+');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    return {
      numSamples: this.numSamples,
      bytes: (await stat(dataFile)).size,
      sha256: await sha256OfFile(dataFile),
      contentDigest: this.content.digest('hex'),
    };
  }

  async addFile(name: string, content: string | Uint8Array): Promise<void> {
    await writeFileAtomic(join(this.temporary, name), content);
  }

  async commit(): Promise<void> {
    await syncFolder(this.temporary);
    for (let attempt = 1; ; attempt++) {
      // A folder cannot be renamed over another one that is not empty. Between the two calls there is no shard, which is as
      // good as an unfinished one: nothing believes a shard that no manifest names.
      await rm(this.folder, { recursive: true, force: true });
      try {
        await commitRename(this.temporary, this.folder);
        return;
      } catch (error) {
        // Another process made the same shard in between; the same task gives the same bytes, so the last one may stay.
        const isTaken = codeOf(error) === 'ENOTEMPTY' || codeOf(error) === 'EEXIST';
        if (!isTaken || attempt === MAX_COMMIT_TRIES) throw error;
      }
    }
  }

  async abandon(): Promise<void> {
    await this.close();
    await rm(this.temporary, { recursive: true, force: true });
  }

  private writePending(): void {
    try {
      this.environment.transactionSync(() => {
        for (const { key, value } of this.pending) this.environment.putSync(key, value, { append: true });
      });
    } catch (error) {
      throw toDiskError(error, this.folder);
    }
    this.pending.length = 0;
    this.pendingBytes = 0;
  }

  private async close(): Promise<void> {
    if (!this.isOpen) return;
    this.isOpen = false;
    await this.environment.close();
  }
}

/** SHA-256 of a file's bytes, hex. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
