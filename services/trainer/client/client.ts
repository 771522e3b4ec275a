/**
 * The client library: connect to batch servers, and iterate over mean-subtracted batches. A stream that breaks goes on at the
 * next step, at the same server or another one, with nothing lost and nothing twice.
 */
import { InterruptedError, MillraceError } from '../../../lib/core/errors.js';
import type { Batch } from './batch.js';
import {
  checkResumable,
  createBatchStream,
  type BatchStream,
  type StreamFacts,
  type StreamState,
} from './batch-stream.js';
import { createConnection, type Connection } from './connection.js';
import type { DatasetInfo } from './dataset-info.js';
import { withFailover } from './failover.js';
import { readLanes } from './lanes.js';
import {
  checkConnectOptions,
  completeStreamOptions,
  type CompleteStreamOptions,
  type ConnectOptions,
  type ReconnectEvent,
  type SourceOptions,
  type StreamOptions,
} from './options.js';
import { preparationOf } from './preparation.js';
import { readAhead } from './read-ahead.js';

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
  const { servers, backoff, giveUpMs = 60_000, onReconnect } = options;
  checkConnectOptions(options);
  const closed = new AbortController();
  const lanes: Connection[][] = [];
  /** Each lane begins with another server. */
  const connectionsOf = (lane: number): readonly Connection[] => {
    const first = lane % servers.length;
    const inOrder = [...servers.slice(first), ...servers.slice(0, first)];
    return (lanes[lane] ??= inOrder.map((server) => createConnection(server, options)));
  };

  const datasetUntil = async (signal: AbortSignal, name: string, split: string): Promise<DatasetInfo> => {
    const ask = async function* (connection: Connection): AsyncGenerator<DatasetInfo, void, undefined> {
      const { split: facts, labels, mean } = await connection.getDataset(name, split, signal);
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
    const onRetry = (event: Omit<ReconnectEvent, 'position'>): void =>
      onReconnect?.({ ...event, position: { epoch: 0, step: 0 } });
    const failover = { backoff, giveUpMs, onRetry, signal };
    for await (const info of withFailover(connectionsOf(0), failover, ask)) return info;
    throw new MillraceError('ERR_INTERNAL', 'no server answered, and none failed');
  };

  const decodeHere = async function* (
    complete: CompleteStreamOptions,
    begin: StreamState,
    facts: StreamFacts,
    signal: AbortSignal,
  ): AsyncGenerator<Batch, void, undefined> {
    const infoOf = (source: Pick<SourceOptions, 'dataset' | 'split'>): Promise<DatasetInfo> =>
      datasetUntil(signal, source.dataset, source.split);
    const infos = await Promise.all(complete.sources.map(infoOf));
    const { meanOf } = complete;
    if (meanOf !== undefined) infos[0] = { ...infos[0], mean: (await infoOf(meanOf)).mean };
    const version = infos.map((info) => info.version).join('+');
    facts.version = version;
    if (begin.version !== undefined && begin.version !== version) {
      const names = infos.map((info) => `${info.dataset}/${info.split}`).join(' + ');
      throw new MillraceError(
        'ERR_VERSION_CHANGED',
        `resumeFrom: the stream was of version ${begin.version} of ${names}, servers have ${version}`,
      );
    }
    yield* readLanes(
      complete,
      infos,
      { epoch: begin.epoch, step: begin.step },
      {
        connectionsOf,
        backoff,
        giveUpMs,
        signal,
        onReconnect: (event) => {
          facts.numReconnects++;
          onReconnect?.(event);
        },
      },
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
    dataset: (name, split) => datasetUntil(closed.signal, name, split),
    stream,
    close() {
      closed.abort(new InterruptedError('the client was closed'));
      for (const connection of lanes.flat()) connection.close();
    },
  };
}
