/** The open streams, and what the server has sent: for GetStatus, metrics and the log. */
import { codeOf } from '../../lib/core/errors.js';
import type { Logger } from '../../lib/platform/logger.js';
import type { ServerMetrics } from './metrics.js';
import { RecentRate } from './recent-rate.js';
import type { StreamFigures } from './server-status.js';
import type { StallCause, StreamEntry, StreamFacts } from './stream-entry.js';

export class StreamRegistry {
  numBatches = 0;
  numBytes = 0;
  readonly images = new RecentRate();
  readonly bytes = new RecentRate();
  readonly #streams = new Set<StreamEntry>();

  constructor(
    private readonly metrics: ServerMetrics,
    private readonly log: Logger,
  ) {}

  add(entry: StreamEntry): void {
    this.#streams.add(entry);
    this.metrics.streamsActive.inc();
    this.log.info(logFields(entry), 'stream opened');
  }

  /** Tells of a stream that was not opened. */
  refuse(facts: Pick<StreamFacts, 'peer' | 'token' | 'dataset' | 'split'>, error: unknown): void {
    this.log.warn({ ...facts, err: error, reason: reasonOf(error) }, 'stream refused');
    this.#count(facts, error);
  }

  /** @param error what it ended with; undefined: it came to its end */
  remove(entry: StreamEntry, error: unknown): void {
    this.#streams.delete(entry);
    this.metrics.streamsActive.dec();
    const reason = error === undefined ? 'done' : reasonOf(error);
    const { numBatches: batches, numImages: images, numBytes: bytes } = entry;
    const fields = { ...logFields(entry), batches, images, bytes, seconds: entry.openSeconds, reason };
    // A trainer that goes away, or one that is sent away, is everyday life.
    const isExpected = error === undefined || reason === 'ERR_INTERRUPTED' || reason === 'ERR_UNAVAILABLE';
    if (isExpected) this.log.info(fields, 'stream ended');
    else this.log.warn({ ...fields, err: error }, 'stream ended');
    if (error === undefined) return;
    this.#count(entry.facts, error);
    const { dataset, split } = entry.facts;
    if (reason === 'ERR_VERSION_CHANGED') this.metrics.replacedSplits.inc({ dataset, split });
  }

  #count({ dataset, split }: Pick<StreamFacts, 'dataset' | 'split'>, error: unknown): void {
    const code = reasonOf(error);
    this.metrics.streamErrors.inc({ code });
    if (code === 'ERR_SHARD_CORRUPT') this.metrics.corruptRecords.inc({ dataset, split });
  }

  sentFrame(entry: StreamEntry, numImages: number, numBytes: number): void {
    entry.sentFrame(numImages, numBytes);
    this.numBytes += numBytes;
    this.images.add(numImages);
    this.bytes.add(numBytes);
    this.metrics.imagesSent.inc(numImages);
    this.metrics.bytesSent.inc(numBytes);
  }

  sentBatch(entry: StreamEntry): void {
    entry.numBatches++;
    this.numBatches++;
    this.metrics.batchesSent.inc();
  }

  waited(entry: StreamEntry, cause: StallCause, waitedMs: number): void {
    entry.waited(cause, waitedMs);
    this.metrics.stallSeconds.inc({ cause }, waitedMs / 1000);
  }

  figures(): StreamFigures[] {
    return [...this.#streams].map((entry) => {
      const { peer, token = '', dataset, split, run, slice } = entry.facts;
      return {
        ...{ peer, token, dataset, split, ...slice, ...entry.position },
        processId: process.pid,
        batchesSent: entry.numBatches,
        imagesSent: entry.numImages,
        bytesSent: entry.numBytes,
        openSeconds: entry.openSeconds,
        imagesPerSecond: entry.images.perSecond,
        bytesPerSecond: entry.bytes.perSecond,
        diskWaitRatio: entry.stallRatio('disk'),
        assemblyWaitRatio: entry.stallRatio('assembly'),
        wireWaitRatio: entry.stallRatio('wire'),
        trainerWaitRatio: entry.stallRatio('trainer'),
        ...{ run, numStepsDone: entry.numStepsDone },
      };
    });
  }
}

function reasonOf(error: unknown): string {
  return codeOf(error) ?? 'ERR_INTERNAL';
}

function logFields({ facts, position }: StreamEntry): Record<string, unknown> {
  const { peer, token, dataset, split, slice } = facts;
  return { peer, token, dataset, split, ...slice, ...position };
}
