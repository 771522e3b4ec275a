/**
 * The part of an archive that has come so far, in whatever order, hashed from its first byte on as it comes. Order of every
 * checkpoint: data, flush, journal; so whatever the moment of a kill, the journal speaks only of bytes that are on disk.
 */
import { constants } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { toDiskError } from '../../lib/platform/system-error.js';
import type { DigestName, FileDigest } from '../../lib/platform/known-digest.js';
import { ByteRanges } from './byte-ranges.js';
import { DigestFollower, type HashState } from './digest-follower.js';
import { readJournal, type Journal } from './journal.js';
import { lostError, PartJournal, type JournalState } from './part-journal.js';
import type { Validator } from './response-headers.js';
import type { TransferOptions } from './transfer-options.js';

/** Where a part comes from. */
export interface PartSource {
  /** The source's key (see source-url.ts). */
  readonly source: string;
  readonly validator: Validator | undefined;
  /** Length of the whole file in bytes; undefined while nobody knows. */
  readonly totalBytes: number | undefined;
}

export interface PartOptions extends Pick<TransferOptions, 'checkpointBytes' | 'checkpointMs' | 'windowBytes'> {
  /** Digests to make; MD5 always. */
  readonly digestNames: readonly DigestName[];
  /** Hears why bytes that the journal promised cannot be used. */
  readonly onDiscard: (reason: string) => void;
}

/** The thread that hashes is told of so many new bytes at a time, or of less when the window is small. */
const MAX_HASH_STEP_BYTES = 1 << 22;
/** Checkpoints' worth of bytes that may come while a slow disk is still at one. */
const MAX_CHECKPOINTS_BEHIND = 4;

export class PartFile {
  readonly path: string;
  /** Bytes that are written. Read only: {@link write} adds to it. */
  readonly ranges: ByteRanges;
  /** Called whenever more has been hashed. */
  onHashed: () => void = () => undefined;
  readonly #file: FileHandle;
  readonly #journal: PartJournal;
  readonly #options: PartOptions;
  #follower: DigestFollower;
  #source: PartSource | undefined;
  readonly #contributors: Set<string>;
  #bytesSinceCheckpoint = 0;
  #checkpointedAtMs = performance.now();
  /** The last checkpoint; those that follow one that failed fail too. */
  #checkpoint = Promise.resolve();
  #isFlushing = false;

  private constructor(
    path: string,
    file: FileHandle,
    journal: PartJournal,
    found: Journal | undefined,
    options: PartOptions,
  ) {
    this.path = path;
    this.#file = file;
    this.#journal = journal;
    this.#options = options;
    this.#source = found && { source: found.source, validator: found.validator, totalBytes: found.totalBytes };
    this.ranges = new ByteRanges(found?.ranges);
    this.#contributors = new Set(found?.contributors);
    this.#follower = this.#follow(hashStateOf(found));
    this.#follower.follow(this.ranges.prefixEnd);
  }

  /** Opens the part at `path` where its journal says, or empty when there is none to trust. Throws ERR_DISK naming the path. */
  static async open(path: string, options: PartOptions): Promise<PartFile> {
    const file = await open(path, constants.O_RDWR | constants.O_CREAT).catch((error: unknown) => {
      throw toDiskError(error, path);
    });
    let journal: PartJournal | undefined;
    let part: PartFile | undefined;
    try {
      const found = await readUsableJournal(path, file, options);
      journal = await PartJournal.open(path);
      part = new PartFile(path, file, journal, found, options);
      if (part.source !== undefined) await journal.take(part.#state(part.source));
      return part;
    } catch (error) {
      if (part !== undefined) await part.close();
      else await Promise.all([journal?.close(), file.close()]);
      throw toDiskError(error, path);
    }
  }

  /** Undefined before the first byte was promised. */
  get source(): PartSource | undefined {
    return this.#source;
  }

  /** Keys of the sources that the bytes came from. */
  get contributors(): ReadonlySet<string> {
    return this.#contributors;
  }

  /** Whether every byte is here. */
  get isWhole(): boolean {
    return this.#source?.totalBytes === this.ranges.numBytes;
  }

  get hashedBytes(): number {
    return this.#follower.state.bytes;
  }

  /** Empties the part for bytes of `source`. The journal goes first: it must never speak of bytes of another file. */
  async begin(source: PartSource): Promise<void> {
    await this.#checkpoint;
    await this.#requireInPlace();
    const wasEmpty = this.ranges.end === 0;
    if (this.#source !== undefined) this.#journal.requireOwnership();
    this.ranges.clear();
    this.#contributors.clear();
    this.#source = source;
    try {
      if (!wasEmpty) {
        await this.#follower.close();
        this.#follower = this.#follow(hashStateOf(undefined));
      }
      await this.#journal.take(this.#state(source));
      await this.#file.truncate(0);
    } catch (error) {
      // Nothing was promised: what the last journal says still holds.
      this.#source = undefined;
      throw toDiskError(error, this.path);
    }
  }

  /** What is missing comes from `source`. */
  continueFrom(source: PartSource): void {
    this.#source = source;
  }

  /**
   * Writes the chunks one after the other from `begin` on; they came from the source with that key. Waits while the hash is a
   * window behind. Throws ERR_DISK naming the path, ERR_LOCKED when another process took the part over.
   */
  async write(begin: number, chunks: readonly Buffer[], source: string): Promise<void> {
    this.#journal.requireOwnership();
    try {
      const end = await writeAll(this.#file, begin, chunks);
      this.#contributors.add(source);
      this.ranges.add(begin, end);
      const { prefixEnd } = this.ranges;
      this.#follower.follow(prefixEnd);
      this.#bytesSinceCheckpoint += end - begin;
      this.#writeLive();
      await this.#follower.reached(prefixEnd - this.#options.windowBytes);
      await this.#checkpointIfDue();
    } catch (error) {
      throw toDiskError(error, this.path);
    }
  }

  /** The bytes `[begin, end)`, which are there. Throws ERR_DISK. */
  async read(begin: number, end: number): Promise<Buffer> {
    const bytes = Buffer.alloc(end - begin);
    const { bytesRead } = await this.#file.read(bytes, 0, bytes.length, begin).catch((error: unknown) => {
      throw toDiskError(error, this.path);
    });
    return bytes.subarray(0, bytesRead);
  }

  /** Flushes what has been written, then the journal. Does nothing before the first byte was promised. */
  async checkpoint(): Promise<void> {
    this.#beginCheckpoint();
    await this.#checkpoint;
  }

  /** Cuts off what does not belong to the file, flushes it, and waits for its digests. Call it when the part is whole, last. */
  async finish(): Promise<FileDigest> {
    const bytes = this.ranges.numBytes;
    try {
      const [{ md5 = '', ...others }] = await Promise.all([this.#follower.digests(bytes), this.#flushWhole(bytes)]);
      return { bytes, md5, ...others };
    } catch (error) {
      throw toDiskError(error, this.path);
    }
  }

  /** Closes the file without flushing. */
  async close(): Promise<void> {
    await this.#checkpoint.catch(() => undefined);
    await this.#journal.close();
    await this.#follower.close();
    await this.#file.close();
  }

  #follow(from: HashState): DigestFollower {
    return new DigestFollower({
      path: this.path,
      names: this.#options.digestNames,
      stepBytes: Math.min(MAX_HASH_STEP_BYTES, this.#options.windowBytes / 8),
      from,
      onProgress: () => this.onHashed(),
    });
  }

  /** Bytes come on while a checkpoint flushes, until they are far ahead. */
  async #checkpointIfDue(): Promise<void> {
    const { checkpointBytes, checkpointMs } = this.#options;
    if (this.#bytesSinceCheckpoint >= MAX_CHECKPOINTS_BEHIND * checkpointBytes) await this.#checkpoint;
    const ageMs = performance.now() - this.#checkpointedAtMs;
    const isDue = this.#bytesSinceCheckpoint >= checkpointBytes || ageMs >= checkpointMs;
    if (!isDue || this.#isFlushing) return;
    // Throws what the one before failed of.
    await this.#checkpoint;
    this.#beginCheckpoint();
  }

  #beginCheckpoint(): void {
    this.#bytesSinceCheckpoint = 0;
    this.#checkpointedAtMs = performance.now();
    this.#checkpoint = this.#checkpoint.then(() => this.#flush());
    this.#checkpoint.catch(() => undefined);
  }

  async #flush(): Promise<void> {
    if (this.#source === undefined) return;
    const state = this.#state(this.#source);
    this.#isFlushing = true;
    try {
      await this.#file.datasync();
      await this.#journal.flush(state);
    } catch (error) {
      throw toDiskError(error, this.path);
    } finally {
      this.#isFlushing = false;
    }
  }

  async #flushWhole(bytes: number): Promise<void> {
    await this.#checkpoint;
    if ((await this.#file.stat()).size !== bytes) await this.#file.truncate(bytes);
    await this.#file.datasync();
  }

  #writeLive(): void {
    const source = this.#source;
    if (source !== undefined) this.#journal.writeLive(this.#state(source));
  }

  #state({ source, validator, totalBytes }: PartSource): JournalState {
    const { bytes, states } = this.#follower.state;
    return {
      source,
      validator,
      totalBytes,
      ranges: this.ranges.toArray().map(([begin, end]) => [begin, end]),
      contributors: [...this.#contributors],
      hashedBytes: bytes,
      hashStates: states,
    };
  }

  /** Another process may have finished the part and given it its final name. */
  async #requireInPlace(): Promise<void> {
    const inPlace = await stat(this.path).catch(() => undefined);
    if (inPlace?.ino !== (await this.#file.stat()).ino) throw lostError(this.path);
  }
}

/** Returns the offset after the last byte. */
async function writeAll(file: FileHandle, begin: number, chunks: readonly Buffer[]): Promise<number> {
  let left: readonly Buffer[] = chunks;
  let at = begin;
  while (left.length > 0) {
    const { bytesWritten } = await file.writev(left, at);
    at += bytesWritten;
    const numBytes = left.reduce((sum, { length }) => sum + length, 0);
    // Cut short by a disk that is nearly full, or by a signal.
    left = bytesWritten === numBytes ? [] : [Buffer.concat(left).subarray(bytesWritten)];
  }
  return at;
}

async function readUsableJournal(path: string, file: FileHandle, options: PartOptions): Promise<Journal | undefined> {
  const journal = await readJournal(path);
  if (journal === undefined) return undefined;
  const { size } = await file.stat();
  const { end } = new ByteRanges(journal.ranges);
  if (size >= end) return journal;
  options.onDiscard(`${path} has ${size} bytes, fewer than the ${end} of its journal`);
  return undefined;
}

function hashStateOf(journal: Journal | undefined): HashState {
  const states = Object.entries(journal?.hashStates ?? {}).filter(([, state]) => state !== undefined);
  return { bytes: journal?.hashedBytes ?? 0, states: Object.fromEntries(states) };
}
