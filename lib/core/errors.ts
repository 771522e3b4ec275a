/**
 * Every error that Millrace raises on purpose, on one page. A code is stable: scripts and clients may match on it. The CLI
 * maps codes to exit codes (`cli/exit-codes.ts`), and the servers to gRPC status (`lib/rpc/grpc-status.ts`).
 */

/** Stable names of causes. */
export type ErrorCode =
  /** A flag, argument or request field is wrong; `context.field` names it. */
  | 'ERR_USAGE'
  /** A file, dataset or split that was named is not there. */
  | 'ERR_NOT_FOUND'
  /** Bytes are not what their digest or length says. */
  | 'ERR_VERIFICATION'
  /** A transfer failed in a way that another try may mend. */
  | 'ERR_TRANSFER'
  /** A server answered in a way that cannot lead to the right bytes. */
  | 'ERR_TRANSFER_REFUSED'
  /** An archive cannot be read: truncated, not a tar, a path that leaves its root. */
  | 'ERR_ARCHIVE_CORRUPT'
  /** One image cannot be decoded. */
  | 'ERR_IMAGE_UNREADABLE'
  /** More images were left out than `--max-rejected` allows. */
  | 'ERR_TOO_MANY_REJECTED'
  /** A worker process died or hung too often. */
  | 'ERR_WORKER_LOST'
  /** What is on disk was made with other options. */
  | 'ERR_OPTIONS_DIFFER'
  /** A shard or manifest does not hold what it should. */
  | 'ERR_SHARD_CORRUPT'
  /** The native LMDB library writes a format that Caffe cannot read. */
  | 'ERR_LMDB_FORMAT'
  /** The split is at another version than the client began with. */
  | 'ERR_VERSION_CHANGED'
  /** A server was called without a token, or with one that it does not know. */
  | 'ERR_UNAUTHENTICATED'
  /** A step or id past the end. */
  | 'ERR_OUT_OF_RANGE'
  /** The target is held by another process. */
  | 'ERR_LOCKED'
  /** No room on the disk, or no permission to write. */
  | 'ERR_DISK'
  /** The server is going away; another one, or a later try, may serve. */
  | 'ERR_UNAVAILABLE'
  /** The server has given out all that it has to give; another one, or a later try, may serve. */
  | 'ERR_OVER_LIMIT'
  /** The backend (wasm, cpu, …) cannot be had. */
  | 'ERR_BACKEND'
  /** A training run's loss is no number any more. */
  | 'ERR_DIVERGED'
  /** Stopped by a signal or the caller; state is kept. */
  | 'ERR_INTERRUPTED'
  /** A condition that the code relies on does not hold: a bug. */
  | 'ERR_INTERNAL';

/** Facts for the log and for `--json`: names and numbers, never secrets. */
export type ErrorContext = Readonly<Record<string, string | number | boolean | null>>;

export interface MillraceErrorOptions {
  readonly context?: ErrorContext;
  /** Whether the same call may succeed later without anybody changing anything. Default false. */
  readonly isRetryable?: boolean;
  readonly cause?: unknown;
}

/** Base of all errors raised on purpose. The message names the file, field or flag, what was expected and what to do. */
export class MillraceError extends Error {
  override readonly name: string = 'MillraceError';
  readonly code: ErrorCode;
  readonly isRetryable: boolean;
  readonly context: ErrorContext;

  constructor(code: ErrorCode, message: string, options: MillraceErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.isRetryable = options.isRetryable ?? false;
    this.context = options.context ?? {};
  }
}

/** Thrown when a flag, argument or request field is wrong. `field` is its name as the user wrote it. */
export class UsageError extends MillraceError {
  override readonly name = 'UsageError';
  readonly field: string;

  constructor(field: string, message: string, options: Omit<MillraceErrorOptions, 'context'> = {}) {
    super('ERR_USAGE', message, { ...options, context: { field } });
    this.field = field;
  }
}

/** Thrown when work was stopped by a signal or by its caller; what was done so far is kept and resumed. */
export class InterruptedError extends MillraceError {
  override readonly name = 'InterruptedError';

  constructor(message = 'interrupted; the same command goes on where this one stopped') {
    super('ERR_INTERRUPTED', message);
  }
}

/** Throws {@link InterruptedError} when the signal has been aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new InterruptedError();
}

/** Node's text of a system error: its code, what it means, the call, the paths. */
const SYSTEM_ERROR = /^E[A-Z0-9]+: (.+?), [a-z]+( '.*)?$/s;

/** The message of anything that was thrown. Of a system error what it means, as whoever tells of it names the file. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(SYSTEM_ERROR, '$1') : String(error);
}

/** The `code` of a Node system error (`ENOENT`, …) or of a {@link MillraceError}; undefined when there is none. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
