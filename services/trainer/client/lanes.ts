/** One stream over several connections: each brings an equal part of each batch, and goes on elsewhere when its server is gone. */
import { MillraceError } from '../../../lib/core/errors.js';
import type { Batch, StreamPosition } from './batch.js';
import type { Connection } from './connection.js';
import type { DatasetInfo } from './dataset-info.js';
import { withFailover, type FailoverOptions } from './failover.js';
import type { CompleteStreamOptions, ReconnectEvent } from './options.js';
import { createSharedBatch } from './shared-batch.js';
import { readStream } from './stream-reader.js';

export interface LaneOptions extends Omit<FailoverOptions, 'onRetry'> {
  /** The servers of a lane, in the order in which it tries them. Each lane has TCP connections of its own. */
  readonly connectionsOf: (lane: number) => readonly Connection[];
  readonly onReconnect: (event: ReconnectEvent) => void;
}

/**
 * Yields the batches from `begin` on; `infos` are those of the sources. While a batch waits for one lane, the others receive ahead
 * as far as their flow-control windows go. Throws what a lane throws; then, and when the reader stops, all lanes end.
 */
export async function* readLanes(
  options: CompleteStreamOptions,
  infos: readonly DatasetInfo[],
  begin: StreamPosition,
  { connectionsOf, onReconnect, signal, ...failover }: LaneOptions,
): AsyncGenerator<Batch, void, undefined> {
  const shared = createSharedBatch(options.transform, options.connections);
  const ended = new AbortController();
  const laneSignal = AbortSignal.any([signal, ended.signal]);
  const lanes = Array.from({ length: options.connections }, (_, lane) => {
    const state: { position: StreamPosition } = { position: begin };
    return withFailover(
      connectionsOf(lane),
      { ...failover, signal: laneSignal, onRetry: (event) => onReconnect({ ...event, position: state.position }) },
      (connection) => readStream(connection, options, infos, lane, shared, state, laneSignal),
    );
  });
  try {
    for (;;) {
      const parts = await Promise.all(lanes.map((lane) => lane.next()));
      const batches = parts.flatMap(({ value }) => value ?? []);
      if (batches.length === 0) return;
      const batch = shared.take(batches);
      if (batches.length < lanes.length || batch === undefined) {
        throw new MillraceError(
          'ERR_VERIFICATION',
          'the parts of a stream, one a connection, have different numbers of steps',
        );
      }
      yield batch;
    }
  } finally {
    // A lane that waits for its server would not hear of a return before that has answered.
    ended.abort();
    await Promise.all(lanes.map((lane) => lane.return()));
  }
}
