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
  /** Bytes after which data and journal are flushed: what a kill can cost at most. Default 64 MiB. */
  readonly checkpointBytes: number;
  /** Milliseconds after which data and journal are flushed, however few bytes came. Default 5,000. */
  readonly checkpointMs: number;
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
};
