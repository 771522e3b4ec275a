/**
 * The client library: connect to batch servers, and iterate over mean-subtracted batches. A stream that breaks goes on at the
 * next step, at the same server or another one, with nothing lost and nothing twice.
 */
import { backoffMs } from '../../../lib/core/backoff.js';
import { InterruptedError, MillraceError, UsageError } from '../../../lib/core/errors.js';
import { sleep } from '../../../lib/platform/lifecycle.js';
import type { Batch, StreamPosition } from './batch.js';
import { createConnection, type Connection } from './connection.js';
import type { DatasetInfo } from './dataset-info.js';
import { completeStreamOptions, type ConnectOptions, type StreamOptions } from './options.js';
import { toClientError } from './rpc-error.js';
import { readStream } from './stream-reader.js';

export type { Batch, StreamPosition } from './batch.js';
export type { DatasetInfo } from './dataset-info.js';
export type {
  ConnectOptions,
  LabelOptions,
  ReconnectEvent,
  SelectionOptions,
  SourceOptions,
  StreamOptions,
} from './options.js';
export { INCEPTION_JITTER, PRESET_NAMES, RESNET_JITTER } from '../../../lib/core/presets.js';
export type { TransformOptions } from '../../../lib/core/presets.js';

export interface Client {
  /** Facts of a split, from the first server that answers. Throws ERR_NOT_FOUND. */
  dataset(dataset: string, split: string): Promise<DatasetInfo>;
  /** Batches in order from `from` on. Throws UsageError naming the option; ERR_UNAVAILABLE when no server answers for `giveUpMs`. */
  stream(options: StreamOptions): AsyncGenerator<Batch, void, undefined>;
  /** Ends all streams and connections; no handle is left. */
  close(): void;
}

/** Connects when first used. Throws UsageError when there is no server to connect to. */
export function connect(options: ConnectOptions): Client {
  const { servers, tls, backoff = {}, giveUpMs = 60_000, onReconnect } = options;
  if (servers.length === 0) throw new UsageError('servers', 'servers: expected at least one host:port');
  const connections = servers.map((server) => createConnection(server, tls));
  const closed = new AbortController();

  /**
   * Yields what `work` yields, with one server after another until it comes to its end. What it yields counts as progress and
   * sets the clock of failures back.
   */
  const withFailover = async function* <T>(
    work: (connection: Connection) => AsyncGenerator<T, void, undefined>,
    positionNow: () => StreamPosition,
    signal?: AbortSignal,
  ): AsyncGenerator<T, void, undefined> {
    let attempt = 0;
    let failingSinceMs: number | undefined;
    for (let index = 0; ; index++) {
      const connection = connections[index % connections.length];
      try {
        for await (const item of work(connection)) {
          attempt = 0;
          failingSinceMs = undefined;
          yield item;
        }
        return;
      } catch (thrown) {
        if (signal?.aborted === true) throw new InterruptedError();
        if (closed.signal.aborted) throw new InterruptedError('the client was closed');
        const error = toClientError(thrown, connection.server);
        failingSinceMs ??= performance.now();
        if (!error.isRetryable) throw error;
        if (performance.now() - failingSinceMs > giveUpMs) {
          throw new MillraceError(
            'ERR_UNAVAILABLE',
            `no server of ${servers.join(', ')} answered for ${Math.round(giveUpMs / 1000)} s; the last one said: ${error.message}`,
            { cause: error },
          );
        }
        // The other servers are tried at once; only when each has failed does the client wait.
        const hasTriedAll = (index + 1) % connections.length === 0;
        const waitMs = hasTriedAll ? backoffMs(attempt++, backoff) : 0;
        onReconnect?.({ server: connection.server, reason: error.message, position: positionNow(), waitMs });
        await sleep(waitMs, signal);
      }
    }
  };

  const dataset = async (name: string, split: string): Promise<DatasetInfo> => {
    const ask = async function* (connection: Connection): AsyncGenerator<DatasetInfo, void, undefined> {
      const { split: facts, labels, mean } = await connection.getDataset(name, split);
      if (facts === undefined || mean === undefined) {
        throw new MillraceError('ERR_INTERNAL', `server ${connection.server} left out the facts of ${name}/${split}`);
      }
      const { height, width, channels } = facts;
      yield {
        dataset: facts.dataset,
        split: facts.split,
        version: facts.version,
        numSamples: facts.numSamples,
        shape: { height, width, channels },
        classes: labels,
        // A copy, since float32 views must be aligned.
        mean: { image: new Float32Array(new Uint8Array(mean.image).buffer), channels: mean.channelMean },
      };
    };
    for await (const info of withFailover(ask, () => ({ epoch: 0, step: 0 }))) return info;
    throw new MillraceError('ERR_INTERNAL', 'no server answered, and none failed');
  };

  const stream = async function* (streamOptions: StreamOptions): AsyncGenerator<Batch, void, undefined> {
    const complete = completeStreamOptions(streamOptions);
    const infos = await Promise.all(complete.sources.map((source) => dataset(source.dataset, source.split)));
    const { meanOf } = complete;
    if (meanOf !== undefined) infos[0] = { ...infos[0], mean: (await dataset(meanOf.dataset, meanOf.split)).mean };
    const state = { position: complete.from };
    const signal = complete.signal === undefined ? closed.signal : AbortSignal.any([complete.signal, closed.signal]);
    yield* withFailover(
      (connection) => readStream(connection, complete, infos, state, signal),
      () => state.position,
      signal,
    );
  };

  return {
    dataset,
    stream,
    close() {
      closed.abort();
      for (const connection of connections) connection.close();
    },
  };
}
