/** Exponential back-off with full jitter: the wait is uniform in `[0, min(max, base · 2^attempt))`. */
export interface BackoffOptions {
  /** Milliseconds, default 500. */
  readonly baseMs?: number;
  /** Milliseconds, default 30,000. */
  readonly maxMs?: number;
  /** A source of uniform numbers in `[0, 1)`; tests pass their own. Default Math.random. */
  readonly random?: () => number;
}

/** Milliseconds to wait before try `attempt` + 1 (`attempt` counts from 0). Full jitter, as by Brooker, "Exponential Backoff And Jitter" (2015). */
export function backoffMs(attempt: number, options: BackoffOptions = {}): number {
  const { baseMs = 500, maxMs = 30_000, random = Math.random } = options;
  return Math.floor(random() * Math.min(maxMs, baseMs * 2 ** Math.min(attempt, 30)));
}
