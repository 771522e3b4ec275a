/** Where the time of a run goes: into learning, or into waiting for data. */
export interface Stopwatch {
  /** What has passed since the last call of any kind counts as neither. */
  leaveOut(): void;
  /** It was a wait. */
  endWait(): void;
  /** It was work, on so many images. */
  endWork(numImages: number): void;
  /** What has been waited and worked since the last call, in milliseconds. */
  lap(): { readonly waitMs: number; readonly workMs: number };
  /** Over all batches so far; zeros before the first. */
  rates(): { readonly imagesPerSecond: number; readonly waitShare: number };
}

/** `now` gives milliseconds of a steady clock; tests pass their own. */
export function createStopwatch(now: () => number = () => performance.now()): Stopwatch {
  let numImages = 0;
  const total = { waitMs: 0, workMs: 0 };
  let lapBegin = { ...total };
  let lastMs = now();
  const sinceLast = (): number => {
    const sinceMs = now() - lastMs;
    lastMs += sinceMs;
    return sinceMs;
  };
  return {
    leaveOut: () => void sinceLast(),
    endWait: () => {
      total.waitMs += sinceLast();
    },
    endWork(images) {
      total.workMs += sinceLast();
      numImages += images;
    },
    lap() {
      const times = { waitMs: total.waitMs - lapBegin.waitMs, workMs: total.workMs - lapBegin.workMs };
      lapBegin = { ...total };
      return times;
    },
    rates() {
      const totalMs = total.waitMs + total.workMs;
      if (totalMs === 0) return { imagesPerSecond: 0, waitShare: 0 };
      return { imagesPerSecond: (numImages * 1000) / totalMs, waitShare: total.waitMs / totalMs };
    },
  };
}
