/**
 * The client library: connect to batch servers, and iterate over mean-subtracted batches. A stream that breaks goes on at the
 * next step, at the same server or another one, with nothing lost and nothing twice.
 */
import { backoffMs } from '../../../lib/core/backoff.js';
import { InterruptedError, MillraceError } from '../../../lib/core/errors.js';
import { sleep } from '../../../lib/platform/lifecycle.js';
import type { Batch, StreamPosition } from './batch.js';
import {
  checkResumable,
  createBatchStream,
  throwIfStopped,
  type BatchStream,
  type StreamFacts,
  type StreamState,
} from './batch-stream.js';
import { createConnection, type Connection } from './connection.js';
import type { DatasetInfo } from './dataset-info.js';
import {
  checkConnectOptions,
  completeStreamOptions,
  type CompleteStreamOptions,
  type ConnectOptions,
  type ReconnectEvent,
  type StreamOptions,
} from './options.js';
import { preparationOf } from './preparation.js';
import { readAhead } from './read-ahead.js';
import { toClientError } from './rpc-error.js';
import { readStream } from './stream-reader.js';

export type { Batch, StreamPosition } from './batch.js';
export type { BatchStream, StreamMetrics, StreamState } from './batch-stream.js';
export type { DatasetInfo, Preparation } from './dataset-info.js';
export type {
  ConnectOptions,
  LabelOptions,
  ReconnectEvent,
  SelectionOptions,
  SourceOptions,
  StreamOptions,
  TlsOptions,
} from './options.js';
export { INCEPTION_JITTER, PRESET_NAMES, RESNET_JITTER } from '../../../lib/core/presets.js';
export type { TransformOptions } from '../../../lib/core/presets.js';

export interface Client {
  /** Facts of a split, from the first server that answers. Throws ERR_NOT_FOUND. */
  dataset(dataset: string, split: string): Promise<DatasetInfo>;
  /**
   * Batches in order from `from` or `resumeFrom` on. Throws UsageError naming the option. Its iteration throws ERR_UNAVAILABLE when
   * no server answers for `giveUpMs`, ERR_VERSION_CHANGED when the data is no longer that of `resumeFrom`.
   */
  stream(options: StreamOptions): BatchStream;
  /** Ends all streams and connections; no handle is left. */
  close(): void;
}

/** Connects when first used. Throws UsageError when there is no server to connect to. */
export function connect(options: ConnectOptions): Client {
  const { servers, backoff = {}, giveUpMs = 60_000, onReconnect } = options;
  checkConnectOptions(options);
  const connections = servers.map((server) => createConnection(server, options));
  const closed = new AbortController();

  /**
   * Yields what `work` yields, with one server after another until it comes to its end. What it yields counts as progress and
   * sets the clock of failures back.
   */
  const withFailover = async function* <T>(
    work: (connection: Connection) => AsyncGenerator<T, void, undefined>,
    onRetry: (event: Omit<ReconnectEvent, 'position'>) => void,
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
        throwIfStopped(signal ?? closed.signal);
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
        onRetry({ server: connection.server, reason: error.message, waitMs });
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
        preparation: preparationOf(facts),
      };
    };
    const tell = (event: Omit<ReconnectEvent, 'position'>): void =>
      onReconnect?.({ ...event, position: { epoch: 0, step: 0 } });
    for await (const info of withFailover(ask, tell)) return info;
    throw new MillraceError('ERR_INTERNAL', 'no server answered, and none failed');
  };

  const decodeHere = async function* (
    complete: CompleteStreamOptions,
    begin: StreamState,
    facts: StreamFacts,
    signal: AbortSignal,
  ): AsyncGenerator<Batch, void, undefined> {
    const infos = await Promise.all(complete.sources.map((source) => dataset(source.dataset, source.split)));
    const { meanOf } = complete;
    if (meanOf !== undefined) infos[0] = { ...infos[0], mean: (await dataset(meanOf.dataset, meanOf.split)).mean };
    const version = infos.map((info) => info.version).join('+');
    facts.version = version;
    if (begin.version !== undefined && begin.version !== version) {
      const names = infos.map((info) => `${info.dataset}/${info.split}`).join(' + ');
      throw new MillraceError(
        'ERR_VERSION_CHANGED',
        `resumeFrom: the stream was of version ${begin.version} of ${names}, servers have ${version}`,
      );
    }
    const state: { position: StreamPosition } = { position: { epoch: begin.epoch, step: begin.step } };
    yield* withFailover(
      (connection) => readStream(connection, complete, infos, state, signal),
      (event) => {
        facts.numReconnects++;
        onReconnect?.({ ...event, position: state.position });
      },
      signal,
    );
  };

  const stream = (streamOptions: StreamOptions): BatchStream => {
    const complete = completeStreamOptions(streamOptions);
    const { batchSize, worldSize, seed, from, prefetchBytes } = complete;
    const { resumeFrom } = streamOptions;
    const key = { seed, globalBatchSize: batchSize * worldSize };
    if (resumeFrom !== undefined) checkResumable(resumeFrom, key);
    const begin = resumeFrom ?? { ...from, ...key };
    const facts: StreamFacts = { version: undefined, numReconnects: 0 };
    const signal = complete.signal === undefined ? closed.signal : AbortSignal.any([complete.signal, closed.signal]);
    const source =
      prefetchBytes === 0
        ? decodeHere(complete, begin, facts, signal)
        : readAhead(options, streamOptions, prefetchBytes, facts, signal);
    return createBatchStream(source, begin, facts);
  };

  return {
    dataset,
    stream,
    close() {
      closed.abort(new InterruptedError('the client was closed'));
      for (const connection of connections) connection.close();
    },
  };
}
