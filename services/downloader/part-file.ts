/**
 * The part of an archive that has come so far, hashed as it comes. Order of every checkpoint: data, flush, journal; so
 * whatever the moment of a kill, the journal speaks only of bytes that are on disk.
 */
import { createMD5, type IHasher } from 'hash-wasm';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { toDiskError } from '../../lib/platform/atomic-file.js';
import { readJournal, writeJournal } from './journal.js';
import type { Validator } from './response-headers.js';
import type { TransferOptions } from './transfer-options.js';

/** Where a part comes from. */
export interface PartSource {
  /** Before redirects. */
  readonly url: string;
  readonly validator: Validator | undefined;
  /** Length of the whole file in bytes; undefined while nobody knows. */
  readonly totalBytes: number | undefined;
}

export type CheckpointOptions = Pick<TransferOptions, 'checkpointBytes' | 'checkpointMs'>;

/** One write to the file: larger ones gain nothing, 64 KiB ones cost a third of the rate. */
const WRITE_BYTES = 1 << 20;

export class PartFile {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #options: CheckpointOptions;
  readonly #hash: IHasher;
  readonly #pending = Buffer.allocUnsafe(WRITE_BYTES);
  #pendingBytes = 0;
  #offset: number;
  #source: PartSource | undefined;
  #journaledOffset: number;
  #journaledAtMs = performance.now();
  /** After a failed write the hash is ahead of the file: only the journal counts then. */
  #isBroken = false;

  private constructor(
    path: string,
    file: FileHandle,
    hash: IHasher,
    options: CheckpointOptions,
    state: { offset: number; source: PartSource | undefined },
  ) {
    this.path = path;
    this.#file = file;
    this.#hash = hash;
    this.#options = options;
    this.#offset = this.#journaledOffset = state.offset;
    this.#source = state.source;
  }

  /**
   * Opens the part at `path` at its journal's offset, or empty when there is none to trust; `onDiscard` hears why bytes that
   * the journal promised cannot be used. Throws ERR_DISK naming the path.
   */
  static async open(path: string, options: CheckpointOptions, onDiscard: (reason: string) => void): Promise<PartFile> {
    const file = await open(path, constants.O_RDWR | constants.O_CREAT).catch((error: unknown) => {
      throw toDiskError(error, path);
    });
    try {
      const journal = await readJournal(path);
      const { size } = await file.stat();
      const hash = (await createMD5()).init();
      const isUsable = journal !== undefined && size >= journal.offset;
      if (journal !== undefined && !isUsable) {
        onDiscard(`${path} has ${size} bytes, fewer than the ${journal.offset} of its journal`);
      }
      const offset = isUsable ? journal.offset : 0;
      await file.truncate(offset);
      if (!isUsable) return new PartFile(path, file, hash, options, { offset: 0, source: undefined });
      await restoreHash(hash, journal.md5State, file, offset);
      const { url, validator, totalBytes } = journal;
      return new PartFile(path, file, hash, options, { offset, source: { url, validator, totalBytes } });
    } catch (error) {
      await file.close();
      throw toDiskError(error, path);
    }
  }

  /** Bytes taken in so far. */
  get offset(): number {
    return this.#offset;
  }

  /** Undefined before the first byte was promised. */
  get source(): PartSource | undefined {
    return this.#source;
  }

  /** Whether the last byte is here. */
  get isWhole(): boolean {
    return this.#source?.totalBytes === this.#offset;
  }

  /** Empties the part for bytes of `source`. The journal goes first: it must never speak of bytes of another file. */
  async restart(source: PartSource): Promise<void> {
    await this.#guard(async () => {
      this.#hash.init();
      this.#offset = this.#pendingBytes = 0;
      this.#source = source;
      await this.#writeJournal();
      await this.#file.truncate(0);
    });
  }

  /** The bytes that follow come from `source`, which goes on where the part ends. */
  continueFrom(source: PartSource): void {
    this.#source = source;
  }

  /** Takes bytes in; the buffer is the caller's again when the promise resolves. Throws ERR_DISK naming the path. */
  async append(chunk: Uint8Array): Promise<void> {
    await this.#guard(async () => {
      this.#hash.update(chunk);
      for (let begin = 0; begin < chunk.length;) {
        const taken = Math.min(chunk.length - begin, WRITE_BYTES - this.#pendingBytes);
        this.#pending.set(chunk.subarray(begin, begin + taken), this.#pendingBytes);
        this.#pendingBytes += taken;
        this.#offset += taken;
        begin += taken;
        if (this.#pendingBytes === WRITE_BYTES) await this.#writePending();
      }
    });
    const { checkpointBytes, checkpointMs } = this.#options;
    const isDue =
      this.#offset - this.#journaledOffset >= checkpointBytes ||
      performance.now() - this.#journaledAtMs >= checkpointMs;
    if (isDue) await this.checkpoint();
  }

  /** Flushes the data, then the journal. Does nothing before the first byte was promised, or after a failed write. */
  async checkpoint(): Promise<void> {
    if (this.#isBroken || this.#source === undefined) return;
    await this.#guard(async () => {
      await this.#writePending();
      await this.#file.datasync();
      await this.#writeJournal();
    });
  }

  /** MD5 of all bytes taken in, 32 hex digits. Call it last. */
  digest(): string {
    return this.#hash.digest();
  }

  /** Closes the file without flushing. */
  async close(): Promise<void> {
    await this.#file.close();
  }

  async #writePending(): Promise<void> {
    const position = this.#offset - this.#pendingBytes;
    for (let written = 0; written < this.#pendingBytes;) {
      const { bytesWritten } = await this.#file.write(
        this.#pending,
        written,
        this.#pendingBytes - written,
        position + written,
      );
      written += bytesWritten;
    }
    this.#pendingBytes = 0;
  }

  async #writeJournal(): Promise<void> {
    if (this.#source === undefined) return;
    await writeJournal(this.path, {
      formatVersion: 1,
      ...this.#source,
      offset: this.#offset,
      md5State: Buffer.from(this.#hash.save()).toString('base64'),
    });
    this.#journaledOffset = this.#offset;
    this.#journaledAtMs = performance.now();
  }

  async #guard(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      this.#isBroken = true;
      throw toDiskError(error, this.path);
    }
  }
}

/** Loads the state of the MD5; one that another build of the hash wrote is made again from the bytes. */
async function restoreHash(hash: IHasher, md5State: string, file: FileHandle, offset: number): Promise<void> {
  try {
    hash.load(Buffer.from(md5State, 'base64'));
  } catch {
    hash.init();
    if (offset === 0) return;
    const stream = file.createReadStream({ start: 0, end: offset - 1, autoClose: false, highWaterMark: WRITE_BYTES });
    for await (const chunk of stream) hash.update(chunk as Buffer);
  }
}
