/** A token bucket: how fast bytes may come, over all segments of all archives that share it. */
import { InterruptedError, throwIfAborted } from '../../lib/core/errors.js';

export interface RateLimit {
  /**
   * Resolves when `bytes` that came may be taken in, first come first served; at once without a limit.
   * Throws InterruptedError when `signal` is aborted.
   */
  take(bytes: number, signal?: AbortSignal): Promise<void>;
  /** Changes the limit, in bytes per second, for those who wait too; undefined lifts it. */
  setBytesPerSecond(value: number | undefined): void;
}

/** Seconds of unused rate that may be caught up on: enough to ride over a slow write, too little to be seen as a burst. */
const BURST_SECONDS = 0.25;

/** `bytesPerSecond` is positive; undefined: no limit, until one is set. */
export function createRateLimit(bytesPerSecond: number | undefined): RateLimit {
  return new TokenBucket(bytesPerSecond);
}

interface Waiter {
  readonly bytes: number;
  readonly grant: () => void;
}

class TokenBucket implements RateLimit {
  #bytesPerSecond: number | undefined;
  /** Below zero while bytes that were let through are not paid for yet. */
  #tokens = 0;
  #filledAtMs = performance.now();
  readonly #waiters: Waiter[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(bytesPerSecond: number | undefined) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    if (this.#bytesPerSecond === undefined) return;
    await new Promise<void>((resolve, reject) => {
      const waiter: Waiter = {
        bytes,
        grant: () => {
          signal?.removeEventListener('abort', giveUp);
          resolve();
        },
      };
      const giveUp = (): void => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        this.#serve();
        reject(new InterruptedError());
      };
      signal?.addEventListener('abort', giveUp, { once: true });
      this.#waiters.push(waiter);
      this.#serve();
    });
  }

  setBytesPerSecond(value: number | undefined): void {
    this.#fill();
    this.#bytesPerSecond = value;
    if (value === undefined) this.#tokens = 0;
    this.#serve();
  }

  #fill(): void {
    const nowMs = performance.now();
    const rate = this.#bytesPerSecond ?? 0;
    this.#tokens = Math.min(this.#tokens + ((nowMs - this.#filledAtMs) / 1000) * rate, rate * BURST_SECONDS);
    this.#filledAtMs = nowMs;
  }

  /** Lets through who may go, and wakes again when the next one may. */
  #serve(): void {
    clearTimeout(this.#timer);
    this.#fill();
    while (this.#waiters.length > 0) {
      const rate = this.#bytesPerSecond;
      if (rate !== undefined && this.#tokens < 0) {
        this.#timer = setTimeout(() => this.#serve(), Math.ceil((-this.#tokens / rate) * 1000));
        return;
      }
      const waiter = this.#waiters.shift();
      if (rate !== undefined) this.#tokens -= waiter?.bytes ?? 0;
      waiter?.grant();
    }
  }
}
