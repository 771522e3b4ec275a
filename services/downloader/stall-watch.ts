/** Notices a body that comes too slowly: a rate below a floor over a window, not silence alone. */
import type { TransferOptions } from './transfer-options.js';

export interface StallWatch {
  /** The reader begins to wait for bytes of the network; time spent elsewhere (on a slow disk) does not count. */
  beginWait(): void;
  endWait(numBytes: number): void;
  stop(): void;
}

export type StallOptions = Pick<TransferOptions, 'stallWindowMs' | 'minBytesPerSecond'>;

/** Calls `onStall` once when the rate, measured over windows of `stallWindowMs`, falls below the floor. */
export function watchForStall({ stallWindowMs, minBytesPerSecond }: StallOptions, onStall: () => void): StallWatch {
  let waitedMs = 0;
  let numBytesSeen = 0;
  let waitingSinceMs: number | undefined;

  const settleWait = (nowMs: number): void => {
    if (waitingSinceMs === undefined) return;
    waitedMs += nowMs - waitingSinceMs;
    waitingSinceMs = nowMs;
  };
  const timer = setInterval(() => {
    settleWait(performance.now());
    // A window spent mostly on other things says nothing of the network.
    if (waitedMs >= stallWindowMs / 2 && numBytesSeen < (minBytesPerSecond * waitedMs) / 1000) {
      clearInterval(timer);
      onStall();
    }
    waitedMs = numBytesSeen = 0;
  }, stallWindowMs);

  return {
    beginWait() {
      waitingSinceMs = performance.now();
    },
    endWait(numBytes) {
      settleWait(performance.now());
      waitingSinceMs = undefined;
      numBytesSeen += numBytes;
    },
    stop: () => clearInterval(timer),
  };
}
