/** The open streams: what each is doing, for GetStatus and for an orderly end. */
import type { StreamStatus } from '../../protos/gen/millrace/v1/batch.js';
import type { BatchAddress, Slice } from '../../lib/core/batch-plan.js';

/** What one stream tells of itself while it runs. */
export interface StreamEntry {
  readonly peer: string;
  readonly dataset: string;
  readonly split: string;
  readonly slice: Slice;
  position: BatchAddress;
  batchesSent: number;
  readonly openedAtMs: number;
  /** Milliseconds spent waiting until the wire took a frame. */
  wireWaitMs: number;
}

export interface StreamRegistry {
  readonly batchesSent: number;
  readonly bytesSent: number;
  add(entry: StreamEntry): void;
  remove(entry: StreamEntry): void;
  countFrame(bytes: number): void;
  countBatch(entry: StreamEntry): void;
  status(): StreamStatus[];
}

export function createStreamRegistry(now: () => number = () => performance.now()): StreamRegistry {
  const streams = new Set<StreamEntry>();
  let batchesSent = 0;
  let bytesSent = 0;
  return {
    get batchesSent() {
      return batchesSent;
    },
    get bytesSent() {
      return bytesSent;
    },
    add: (entry) => streams.add(entry),
    remove: (entry) => streams.delete(entry),
    countFrame(bytes) {
      bytesSent += bytes;
    },
    countBatch(entry) {
      entry.batchesSent++;
      batchesSent++;
    },
    status: () =>
      [...streams].map((entry) => ({
        peer: entry.peer,
        dataset: entry.dataset,
        split: entry.split,
        rank: entry.slice.rank,
        worldSize: entry.slice.worldSize,
        epoch: entry.position.epoch,
        step: entry.position.step,
        batchesSent: entry.batchesSent,
        wireWaitRatio: entry.wireWaitMs / Math.max(1, now() - entry.openedAtMs),
      })),
  };
}
