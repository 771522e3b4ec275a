/** What a stream is to its reader: batches, a state to go on from, and how long the reader had to wait. */
import { InterruptedError, UsageError } from '../../../lib/core/errors.js';
import type { Batch, StreamPosition } from './batch.js';

/** All that has to be kept to go on with a stream where its reader stopped; plain JSON. */
export interface StreamState extends StreamPosition {
  readonly seed: number;
  /** Samples of a step over all ranks. */
  readonly globalBatchSize: number;
  /** Of the data, which must still be the same; undefined before the first batch. */
  readonly version?: string | undefined;
}

export interface StreamMetrics {
  /** Batches that the reader has got, and their samples, padding included. */
  readonly numBatches: number;
  readonly numSamples: number;
  /** Times that the stream went on at another server, or later. */
  readonly numReconnects: number;
  /** Milliseconds that the reader waited for the first batch: connecting, opening, filling up. */
  readonly firstWaitMs: number;
  /** Milliseconds that the reader waited for batches after the first one: the data stall. */
  readonly waitMs: number;
  /** Milliseconds from the first batch to the latest one. */
  readonly elapsedMs: number;
}

/** Batches in order. Ends when its iteration does; then no connection, thread or timer of it is left. */
export interface BatchStream extends AsyncGenerator<Batch, void, undefined> {
  /** The state after the latest batch that the reader got, whatever has been fetched ahead. */
  state(): StreamState;
  metrics(): StreamMetrics;
}

/** What a stream's source tells of itself as it goes. */
export interface StreamFacts {
  version: string | undefined;
  numReconnects: number;
}

/** `begin` is the state before the first batch; `facts` is what the source of the batches fills in. */
export function createBatchStream(
  source: AsyncGenerator<Batch, void, undefined>,
  begin: StreamState,
  facts: Readonly<StreamFacts>,
): BatchStream {
  let position: StreamPosition = begin;
  let numBatches = 0;
  let numSamples = 0;
  let firstWaitMs = 0;
  let waitMs = 0;
  let firstMs: number | undefined;
  let latestMs = 0;
  const read = async function* (): AsyncGenerator<Batch, void, undefined> {
    for (let askedMs = performance.now(); ; askedMs = performance.now()) {
      const { value: batch, done } = await source.next();
      if (done === true) return;
      latestMs = performance.now();
      if (firstMs === undefined) {
        firstMs = latestMs;
        firstWaitMs = latestMs - askedMs;
      } else waitMs += latestMs - askedMs;
      numBatches++;
      numSamples += batch.ids.length;
      const { epoch, step, isLastStep } = batch;
      position = isLastStep ? { epoch: epoch + 1, step: 0 } : { epoch, step: step + 1 };
      yield batch;
    }
  };
  const batches = (async function* () {
    try {
      yield* read();
    } finally {
      await source.return();
    }
  })();
  return Object.assign(batches, {
    state: () => ({ ...begin, ...position, version: facts.version ?? begin.version }),
    metrics: () => ({
      numBatches,
      numSamples,
      numReconnects: facts.numReconnects,
      firstWaitMs,
      waitMs,
      elapsedMs: latestMs - (firstMs ?? latestMs),
    }),
  });
}

/** Throws UsageError when a stream cannot go on from a state because it would be another sequence of batches. */
export function checkResumable(state: StreamState, wanted: Pick<StreamState, 'seed' | 'globalBatchSize'>): void {
  for (const field of ['seed', 'globalBatchSize'] as const) {
    if (state[field] !== wanted[field]) {
      throw new UsageError(
        'resumeFrom',
        `resumeFrom: expected the state of a stream with ${field} ${wanted[field]}, got one with ${state[field]}`,
      );
    }
  }
}

/** Throws InterruptedError when the signal has been aborted, by its user or with the client. */
export function throwIfStopped(signal: AbortSignal): void {
  if (signal.aborted) throw signal.reason instanceof InterruptedError ? signal.reason : new InterruptedError();
}
