/**
 * Writing a shard: an LMDB environment of records in key order, made in a folder of its own and renamed into place, so that a
 * shard that exists is whole. The same records give the same bytes of file.
 */
import { createHash, type Hash } from 'node:crypto';
import { mkdir, open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '../core/errors.js';
import { commitFolder, temporaryPathFor, writeFileAtomic } from '../platform/atomic-file.js';
import { toDiskError } from '../platform/system-error.js';
import { createEnvironment, LOCK_FILE, withSystemName, type Environment } from './lmdb-environment.js';
import { DATA_FILE } from './lmdb-file.js';

/** The facts of a finished shard. */
export interface ShardFacts {
  readonly numSamples: number;
  /** Size of its data file. */
  readonly bytes: number;
  /** SHA-256 over keys and values in order, hex: the same content is the same digest wherever it was made. */
  readonly contentDigest: string;
}

export interface ShardWriter {
  /**
   * Adds a record, whose value is the parts one after the other; the caller keeps the arrays. Keys must come in ascending order
   * of bytes. Throws ERR_INTERNAL on a key out of order, ERR_DISK when there is no room.
   */
  add(key: Buffer, ...parts: readonly Uint8Array[]): void;
  /** Ends the data file and tells its facts; the shard is not in its place yet. */
  finish(): Promise<ShardFacts>;
  /** Adds a small file that belongs to the shard; only between `finish` and `commit`. */
  addFile(name: string, content: string | Uint8Array): Promise<void>;
  /** Renames the shard into its place, over an older one if there is one. */
  commit(): Promise<void>;
  /** Drops everything; safe to call at any time, also after `commit` (then it does nothing). */
  abandon(): Promise<void>;
}

/**
 * Records are handed to LMDB in transactions of about this size: until a transaction ends its pages are in memory, and as long
 * as all of them fit a core's cache, writing costs no more than one copy into the page cache.
 */
const TRANSACTION_BYTES = 1 << 20;
/** After so many bytes flushing begins, in a thread of libuv's, so that it need not all be done when the shard is finished. */
const FLUSH_BYTES = 64 << 20;
const PAGE_BYTES = 4096;

/**
 * Begins a shard that will stand at `folder`. Throws ERR_DISK when nothing can be written there.
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
  // A value of its own pages (16 bytes of header) each, a share of a leaf page for its key, and room for the tree.
  const pagesPerRecord = Math.ceil((maxRecordBytes + 16) / PAGE_BYTES) + 1;
  try {
    await mkdir(temporary, { recursive: true });
    const environment = createEnvironment(temporary, (maxRecords * pagesPerRecord + 1024) * PAGE_BYTES);
    return new LmdbShardWriter(folder, temporary, environment);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    throw toDiskError(withSystemName(error), folder);
  }
}

/** A record that no transaction has written yet: its value is a stretch of the staged bytes. */
interface StagedRecord {
  readonly key: Buffer;
  readonly begin: number;
  readonly end: number;
}

class LmdbShardWriter implements ShardWriter {
  private staging = Buffer.allocUnsafeSlow(TRANSACTION_BYTES);
  private readonly staged: StagedRecord[] = [];
  private stagedBytes = 0;
  private unflushedBytes = 0;
  /** Of what was handed to LMDB some time ago; rejects when the disk has failed. */
  private flushed: Promise<void> = Promise.resolve();
  private lastKey: Buffer | undefined;
  private numSamples = 0;
  private readonly content: Hash = createHash('sha256');
  private isOpen = true;

  constructor(
    private readonly folder: string,
    private readonly temporary: string,
    private readonly environment: Environment,
  ) {}

  add(key: Buffer, ...parts: readonly Uint8Array[]): void {
    if (this.lastKey !== undefined && Buffer.compare(this.lastKey, key) >= 0) {
      throw new MillraceError(
        'ERR_INTERNAL',
        `record keys must ascend: "${key.toString()}" after "${this.lastKey.toString()}"`,
      );
    }
    this.lastKey = key;
    const value = this.stage(key, parts);
    this.content.update(key).update(value);
    this.numSamples++;
  }

  async finish(): Promise<ShardFacts> {
    this.writeStaged();
    await this.close();
    const path = join(this.temporary, DATA_FILE);
    await rm(join(this.temporary, LOCK_FILE), { force: true });
    await this.flushed;
    await flush(path);
    return {
      numSamples: this.numSamples,
      bytes: (await stat(path)).size,
      contentDigest: this.content.digest('hex'),
    };
  }

  async addFile(name: string, content: string | Uint8Array): Promise<void> {
    await writeFileAtomic(join(this.temporary, name), content);
  }

  async commit(): Promise<void> {
    // Between two renames there is no shard, which is as good as an unfinished one: nothing believes a shard that no manifest
    // names. When another process makes the same one, the last may stay: the same task gives the same bytes.
    await commitFolder(this.temporary, this.folder);
  }

  async abandon(): Promise<void> {
    await this.close();
    await this.flushed.catch(() => undefined);
    await rm(this.temporary, { recursive: true, force: true });
  }

  /** Copies a value to the staged bytes, and returns it there. */
  private stage(key: Buffer, parts: readonly Uint8Array[]): Buffer {
    const numBytes = parts.reduce((sum, part) => sum + part.length, 0);
    if (this.stagedBytes + numBytes > this.staging.length) this.writeStaged();
    if (numBytes > this.staging.length) this.staging = Buffer.allocUnsafeSlow(numBytes);
    const begin = this.stagedBytes;
    let end = begin;
    for (const part of parts) {
      this.staging.set(part, end);
      end += part.length;
    }
    this.staged.push({ key, begin, end });
    this.stagedBytes = end;
    return this.staging.subarray(begin, end);
  }

  private writeStaged(): void {
    try {
      this.environment.transactionSync(() => {
        for (const { key, begin, end } of this.staged) {
          this.environment.putSync(key, this.staging.subarray(begin, end), { append: true });
        }
      });
    } catch (error) {
      throw toDiskError(withSystemName(error), this.folder);
    }
    this.unflushedBytes += this.stagedBytes;
    this.staged.length = 0;
    this.stagedBytes = 0;
    if (this.unflushedBytes < FLUSH_BYTES) return;
    this.unflushedBytes = 0;
    this.flushed = this.flushed.then(() => flush(join(this.temporary, DATA_FILE)));
    this.flushed.catch(() => undefined);
  }

  private async close(): Promise<void> {
    if (!this.isOpen) return;
    this.isOpen = false;
    await this.environment.close();
  }
}

/** Throws ERR_DISK: many disks that are reached over a network only say now that they are full. */
async function flush(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } catch (error) {
    throw toDiskError(error, path);
  } finally {
    await file.close();
  }
}
