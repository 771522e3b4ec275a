/** Where the time of workers goes, so that a slow run says what to change: a faster disk, more cores, smaller images. */

export const STAGES = ['read', 'decode', 'write'] as const;
/**
 * - `read`: members out of the archive.
 * - `decode`: decoding and resizing, or waiting for it.
 * - `write`: sums for the mean, records into LMDB, flushing the shard.
 */
export type Stage = (typeof STAGES)[number];

/** Wall time of each stage, in milliseconds. */
export type StageTimes = Readonly<Record<Stage, number>>;

/** A worker's clock: all time that passes belongs to one stage, so the times add up to the whole, also where images overlap. */
export interface StageClock {
  readonly times: StageTimes;
  /** The time since the last lap, or since the clock was started, was this stage's. */
  lap(stage: Stage): void;
}

/** @param now milliseconds of a steady clock */
export function startStageClock(now: () => number = () => performance.now()): StageClock {
  const times = { read: 0, decode: 0, write: 0 };
  let lastMs = now();
  return {
    times,
    lap(stage) {
      const nowMs = now();
      times[stage] += nowMs - lastMs;
      lastMs = nowMs;
    },
  };
}

/** Each stage's share of the time of all the workers, `[0, 1]`; undefined when no time passed. */
export function stageSharesOf(all: readonly StageTimes[]): Readonly<Record<Stage, number>> | undefined {
  const sumOf = (stage: Stage): number => all.reduce((sum, times) => sum + times[stage], 0);
  const [read, decode, write] = STAGES.map(sumOf);
  const totalMs = read + decode + write;
  if (totalMs === 0) return undefined;
  return { read: read / totalMs, decode: decode / totalMs, write: write / totalMs };
}

/** The stage that takes the most: the one to make faster. */
export function bindingStage(shares: Readonly<Record<Stage, number>>): Stage {
  return STAGES.reduce((most, stage) => (shares[stage] > shares[most] ? stage : most));
}
