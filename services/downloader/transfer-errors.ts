/** The two ways in which a source fails: in passing, or for good. */
import { MillraceError } from '../../lib/core/errors.js';
import { displayUrl } from './source-url.js';

/** Thrown when a transfer broke in a way that another try may mend; the part and its journal are kept. */
export class TransferBrokenError extends MillraceError {
  override readonly name = 'TransferBrokenError';
  /** A few words, e.g. "connection reset". */
  readonly reason: string;
  /** What the server asked for by Retry-After, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** Whether the server said that it has too much to do. */
  readonly isBusy: boolean;

  constructor(
    url: string,
    reason: string,
    options: { cause?: unknown; retryAfterMs?: number | undefined; isBusy?: boolean } = {},
  ) {
    super('ERR_TRANSFER', `${displayUrl(url)}: ${reason}`, {
      isRetryable: true,
      cause: options.cause,
      context: { url: displayUrl(url) },
    });
    this.reason = reason;
    this.retryAfterMs = options.retryAfterMs;
    this.isBusy = options.isBusy ?? false;
  }
}

/** Thrown when a server answers in a way that cannot lead to the right bytes. `reason` says what to do about it. */
export class TransferRefusedError extends MillraceError {
  override readonly name = 'TransferRefusedError';

  constructor(url: string, reason: string, options: { cause?: unknown } = {}) {
    super('ERR_TRANSFER_REFUSED', `${displayUrl(url)}: ${reason}`, { ...options, context: { url: displayUrl(url) } });
  }
}
