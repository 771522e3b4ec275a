/** The times and limits of a transfer, each with its default and the reason for it; tests pass smaller ones. */
import type { BackoffOptions } from '../../lib/core/backoff.js';

export interface TransferOptions {
  /** Milliseconds to get a connection (TCP and TLS). Default 20,000. */
  readonly connectTimeoutMs: number;
  /** Milliseconds from the request to the response's headers. Default 60,000: an archive may have to come off a tape. */
  readonly firstByteTimeoutMs: number;
  /** Milliseconds over which the rate of a body is measured. Default 30,000. */
  readonly stallWindowMs: number;
  /** A body that comes more slowly than this over a window has stalled; silence is not needed. Default 1,024. */
  readonly minBytesPerSecond: number;
  /** Tries in a row that bring no byte, after which a source is given up. Default 8. */
  readonly maxAttempts: number;
  /** Times that a transfer may begin anew because the server's file changed or cannot be resumed. Default 5. */
  readonly maxRestarts: number;
  /** Redirects followed for one request. Default 10. */
  readonly maxRedirects: number;
  /** The wait between tries. Default: full jitter up to 1 s, doubling up to 60 s. */
  readonly backoff: BackoffOptions;
  /** Milliseconds; a longer Retry-After is cut to this. Default 300,000. */
  readonly maxRetryAfterMs: number;
  /** Bytes after which data and journal are flushed: what a power cut can cost, four times that on a slow disk. Default 64 MiB. */
  readonly checkpointBytes: number;
  /** Milliseconds after which data and journal are flushed, however few bytes came. Default 5,000. */
  readonly checkpointMs: number;
  /**
   * Connections for one archive. Default 4: against a server that gives 13 MB/s to each, 1, 2, 4, 8 and 16 give 13, 25, 46, 77 and
   * 131 MB/s, so more is faster; but many servers refuse more than a few from one client, and 4 is what they are used to.
   */
  readonly connections: number;
  /**
   * Bytes per second at which one connection is left alone. Default 100 MB/s: there a network is full, or the hash and the disk begin
   * to count, and more connections only cost (over loopback 4 give 309 to 350 MB/s where 1 gives 350 to 440).
   */
  readonly enoughBytesPerSecond: number;
  /** Archives smaller than this come over one connection. Default 64 MiB: below it the others hardly get under way. */
  readonly minSegmentedBytes: number;
  /**
   * Bytes that may be ahead of the hash: they are read back from the page cache, and after a kill from the disk. The connections
   * share it, see {@link segmentBytesOf}. Default 64 MiB.
   */
  readonly windowBytes: number;
  /** Milliseconds after which a source that was given up may be tried again, as long as others bring bytes. Default 300,000. */
  readonly retireMs: number;
  /** Set blocks aside for the whole file before its first byte. Default false. */
  readonly preallocate: boolean;
}

export const DEFAULT_TRANSFER_OPTIONS: TransferOptions = {
  connectTimeoutMs: 20_000,
  firstByteTimeoutMs: 60_000,
  stallWindowMs: 30_000,
  minBytesPerSecond: 1024,
  maxAttempts: 8,
  maxRestarts: 5,
  maxRedirects: 10,
  backoff: { baseMs: 1_000, maxMs: 60_000 },
  maxRetryAfterMs: 300_000,
  checkpointBytes: 64 * 1024 * 1024,
  checkpointMs: 5_000,
  connections: 4,
  enoughBytesPerSecond: 100e6,
  minSegmentedBytes: 64 * 1024 * 1024,
  windowBytes: 64 * 1024 * 1024,
  retireMs: 300_000,
  preallocate: false,
};

/** Bytes that one of several connections asks for at once: small enough that each can be one ahead of the slowest. */
export function segmentBytesOf({ windowBytes, connections }: TransferOptions): number {
  return Math.ceil(windowBytes / (2 * connections));
}

/** Bytes to ask for at once of a file that has so many: all of them, unless other connections are to have some too. */
export function requestBytesOf(limits: TransferOptions, totalBytes: number): number {
  const isShared = limits.connections > 1 && totalBytes >= limits.minSegmentedBytes;
  return isShared ? segmentBytesOf(limits) : Infinity;
}
