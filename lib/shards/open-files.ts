/**
 * The files of shards that are open. A dataset may have more of them than a process may open: one that nobody reads just now is closed
 * when its room is needed, and opened again when it is, if it is still the same file.
 */
import { closeSync, openSync } from 'node:fs';
import { codeOf, messageOf, MillraceError } from '../core/errors.js';
import { identityOfOpen, type FileIdentity } from '../platform/file-identity.js';

/** Below what systems allow a process, with as many left for connections; ILSVRC2012 has about 250 shards. */
const DEFAULT_MAX_OPEN = 1024;

export interface ShardFileOptions {
  /** For messages. */
  readonly path: string;
  /** Where it is opened. Default: `path`. */
  readonly openPath?: string;
  /** Which file it must be. Default: the one that is found first. */
  readonly identity?: FileIdentity | undefined;
  /** The error for a file that cannot be opened, or is another one. Default ERR_SHARD_CORRUPT. */
  readonly lost?: (what: string, cause?: unknown) => MillraceError;
}

/** Shared by all who read shards within one budget. */
export class OpenFiles {
  /** Open, and held by nobody; the one that was not needed for longest first. */
  readonly #idle = new Set<ShardFile>();
  #numOpen = 0;

  /** @param maxOpen files at a time; more only while as many are held at once */
  constructor(private readonly maxOpen = DEFAULT_MAX_OPEN) {}

  get numOpen(): number {
    return this.#numOpen;
  }

  /** For files: one more is open, and held. */
  opened(): void {
    this.#numOpen++;
    this.#closeSome();
  }

  /** For files: one less is open. */
  closed(file: ShardFile): void {
    this.#numOpen--;
    this.#idle.delete(file);
  }

  /** For files: somebody needs it. */
  held(file: ShardFile): void {
    this.#idle.delete(file);
  }

  /** For files: nobody needs it just now. */
  released(file: ShardFile): void {
    this.#idle.add(file);
    this.#closeSome();
  }

  #closeSome(): void {
    for (const file of this.#idle) {
      if (this.#numOpen <= this.maxOpen) return;
      file.closeNow();
    }
  }
}

/** A shard's data file, open while it is held and for as long after as there is room. */
export class ShardFile {
  #descriptor: number | undefined;
  #numHolders = 0;
  #isClosed = false;
  #isLost = false;
  #identity: FileIdentity | undefined;

  constructor(
    private readonly files: OpenFiles,
    private readonly options: ShardFileOptions,
  ) {
    this.#identity = options.identity;
  }

  get path(): string {
    return this.options.path;
  }

  /** Whether it could not be had when it was needed. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /**
   * A descriptor that any thread of the process may read from until {@link release}. Throws what `lost` makes, ERR_OVER_LIMIT when the
   * process may open no more files.
   */
  hold(): number {
    this.#descriptor ??= this.#open();
    if (this.#numHolders++ === 0) this.files.held(this);
    return this.#descriptor;
  }

  release(): void {
    if (--this.#numHolders > 0) return;
    if (this.#isClosed) this.closeNow();
    else this.files.released(this);
  }

  /** Calls `use` with a descriptor that is valid until it returns. */
  use<T>(use: (descriptor: number) => T): T {
    const descriptor = this.hold();
    try {
      return use(descriptor);
    } finally {
      this.release();
    }
  }

  /** It is needed no more: closed as soon as nobody holds it. */
  close(): void {
    this.#isClosed = true;
    if (this.#numHolders === 0) this.closeNow();
  }

  /** For {@link OpenFiles}: closes what nobody holds. */
  closeNow(): void {
    if (this.#descriptor === undefined) return;
    closeSync(this.#descriptor);
    this.#descriptor = undefined;
    this.files.closed(this);
  }

  #open(): number {
    const { path, openPath = path } = this.options;
    let descriptor: number;
    try {
      descriptor = openSync(openPath, 'r');
    } catch (error) {
      const code = codeOf(error);
      if (code === 'EMFILE' || code === 'ENFILE') throw tooManyFiles(error);
      throw this.#lost(`cannot be opened: ${messageOf(error).replaceAll(openPath, path)}`, error);
    }
    const identity = identityOfOpen(descriptor);
    this.#identity ??= identity;
    if (identity !== this.#identity) {
      closeSync(descriptor);
      throw this.#lost('is another file than it was');
    }
    this.files.opened();
    return descriptor;
  }

  #lost(what: string, cause?: unknown): MillraceError {
    this.#isLost = true;
    const { path, lost } = this.options;
    return (
      lost?.(what, cause) ?? new MillraceError('ERR_SHARD_CORRUPT', `${path} ${what}`, { cause, context: { path } })
    );
  }
}

function tooManyFiles(cause: unknown): MillraceError {
  return new MillraceError(
    'ERR_OVER_LIMIT',
    'this process may open no more files; raise its limit (ulimit -n), or try another server',
    { cause, isRetryable: true },
  );
}
