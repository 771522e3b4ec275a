/** What one open stream tells of itself: where it is, what it sent, and what it waited for. */
import type { BatchAddress, BatchPlanner, Slice } from '../../lib/core/batch-plan.js';
import { RecentRate } from './recent-rate.js';

/**
 * What holds a stream up. `disk` and `assembly`: its next frame is not there, by the share of that frame's assembly that went into reading its
 * records; turns of other streams count as assembly. `wire`: the kernel does not take what is sent. `trainer`: it does, but the
 * trainer has closed its window, as it does not read.
 */
export const STALL_CAUSES = ['disk', 'assembly', 'wire', 'trainer'] as const;
export type StallCause = (typeof STALL_CAUSES)[number];

export interface StreamFacts {
  readonly peer: string;
  /** Name of the token that it was opened with. */
  readonly token: string | undefined;
  readonly dataset: string;
  readonly split: string;
  /** Streams with the same run are ranks of one, or follow the same order. */
  readonly run: string;
  readonly slice: Slice;
  readonly planner: Pick<BatchPlanner, 'numSteps'>;
}

export class StreamEntry {
  readonly images: RecentRate;
  readonly bytes: RecentRate;
  numBatches = 0;
  numImages = 0;
  numBytes = 0;
  readonly #waitedMs: Record<StallCause, number> = { disk: 0, assembly: 0, wire: 0, trainer: 0 };
  readonly #openedAtMs: number;

  constructor(
    readonly facts: StreamFacts,
    /** Of the batch that is being sent. */
    public position: BatchAddress,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.images = new RecentRate(now);
    this.bytes = new RecentRate(now);
    this.#openedAtMs = now();
  }

  get openSeconds(): number {
    return (this.now() - this.#openedAtMs) / 1000;
  }

  /** Steps since the first one of epoch 0. */
  get numStepsDone(): number {
    const { epoch, step } = this.position;
    return epoch * this.facts.planner.numSteps(epoch) + step;
  }

  sentFrame(numImages: number, numBytes: number): void {
    this.numImages += numImages;
    this.numBytes += numBytes;
    this.images.add(numImages);
    this.bytes.add(numBytes);
  }

  waited(cause: StallCause, waitedMs: number): void {
    this.#waitedMs[cause] += waitedMs;
  }

  /** Share of its life that it waited for that, [0, 1]. */
  stallRatio(cause: StallCause): number {
    return Math.min(1, this.#waitedMs[cause] / Math.max(1, this.openSeconds * 1000));
  }
}
