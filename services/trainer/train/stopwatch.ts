/** Where the time of a run goes: into steps, or into waiting for data. */
export interface Stopwatch {
  beginWait(): void;
  endWait(): void;
  /** Ends a step that began when the wait before it ended. */
  endStep(numImages: number): void;
  /** Over all steps so far; zeros before the first. */
  rates(): { readonly imagesPerSecond: number; readonly waitShare: number };
}

/** `now` gives milliseconds of a steady clock; tests pass their own. */
export function createStopwatch(now: () => number = () => performance.now()): Stopwatch {
  let numImages = 0;
  let waitMs = 0;
  let stepMs = 0;
  let lastMs = now();
  const lap = (): number => {
    const sinceMs = now() - lastMs;
    lastMs += sinceMs;
    return sinceMs;
  };
  return {
    beginWait: () => void lap(),
    endWait: () => {
      waitMs += lap();
    },
    endStep(images) {
      stepMs += lap();
      numImages += images;
    },
    rates() {
      const totalMs = waitMs + stepMs;
      if (totalMs === 0) return { imagesPerSecond: 0, waitShare: 0 };
      return { imagesPerSecond: (numImages * 1000) / totalMs, waitShare: waitMs / totalMs };
    },
  };
}
