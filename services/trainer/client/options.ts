/** Options of the client library, documented for its users and completed once. */
import type { EndOfEpoch, Shuffle } from '../../../lib/core/batch-plan.js';
import type { BackoffOptions } from '../../../lib/core/backoff.js';
import { UsageError } from '../../../lib/core/errors.js';
import { isLoopbackAddress } from '../../../lib/core/loopback.js';
import type { Transform } from '../../../lib/core/transform.js';
import type { StreamPosition } from './batch.js';
import type { StreamState } from './batch-stream.js';

export interface ConnectOptions {
  /** Servers as `host:port`, any of which may serve any batch; the first one is tried first. */
  readonly servers: readonly string[];
  /** Undefined: no TLS. */
  readonly tls?: TlsOptions | undefined;
  /** Bearer token that each call carries. Only over TLS, or to servers on this machine. */
  readonly token?: string | undefined;
  /** Waits between tries when no server answers. Default 500 ms doubling up to 30 s, with full jitter. */
  readonly backoff?: BackoffOptions;
  /** Milliseconds that a server that does not answer is tried again for; then the stream fails. Default 60,000. */
  readonly giveUpMs?: number;
  /** Called when a stream has to go on elsewhere or later; for logs. */
  readonly onReconnect?: (event: ReconnectEvent) => void;
}

/** PEM texts. */
export interface TlsOptions {
  /** Of the certificate authority of the servers. */
  readonly rootCertificates: Uint8Array;
  /** The client's own, for servers that ask for one. Both or none. */
  readonly privateKey?: Uint8Array | undefined;
  readonly certificateChain?: Uint8Array | undefined;
}

export interface ReconnectEvent {
  readonly server: string;
  readonly reason: string;
  readonly position: StreamPosition;
  readonly waitMs: number;
}

export interface StreamOptions {
  readonly dataset: string;
  readonly split: string;
  /** Samples of this trainer's batch. The global batch is `worldSize` times as large. */
  readonly batchSize: number;
  /** This trainer's part of each global batch, `[0, worldSize)`. Default 0. */
  readonly rank?: number;
  /** Default 1. */
  readonly worldSize?: number;
  /** Key of the shuffle and of the augmentation. Default 0. */
  readonly seed?: number;
  /** Where to begin. Default epoch 0, step 0. */
  readonly from?: StreamPosition;
  /** Epochs to go through, the first one included. Undefined: until the caller stops. */
  readonly epochs?: number | undefined;
  /** Default `full`. */
  readonly shuffle?: Shuffle;
  /** Default `drop`. */
  readonly endOfEpoch?: EndOfEpoch;
  readonly transform?: Partial<Transform>;
  /** Where to begin instead of `from`: the `state()` of a stream with otherwise the same options. */
  readonly resumeFrom?: StreamState | undefined;
  /**
   * Bytes of decoded batches that a thread of the stream's own keeps ready, at least one batch. 0: no thread; a batch is decoded
   * when the reader asks for it. Default 268,435,456: the next few steps, whatever they take.
   */
  readonly prefetchBytes?: number;
  /** Stops the stream; the iteration then throws InterruptedError. */
  readonly signal?: AbortSignal | undefined;
}

export type CompleteStreamOptions = Required<Omit<StreamOptions, 'transform' | 'epochs' | 'signal' | 'resumeFrom'>> & {
  readonly transform: Transform;
  readonly epochs: number | undefined;
  readonly signal: AbortSignal | undefined;
};

/** Throws UsageError naming the option. */
export function checkConnectOptions({ servers, tls, token }: ConnectOptions): void {
  if (servers.length === 0) throw new UsageError('servers', 'servers: expected at least one host:port');
  const far = servers.find((server) => !isLoopbackAddress(server));
  if (token !== undefined && tls === undefined && far !== undefined) {
    throw new UsageError('token', `token: it would go to ${far} in the clear; give tls as well`);
  }
}

const DEFAULT_PREFETCH_BYTES = 256 << 20;

/** Throws UsageError naming the option. */
export function completeStreamOptions(options: StreamOptions): CompleteStreamOptions {
  const complete: CompleteStreamOptions = {
    rank: 0,
    worldSize: 1,
    seed: 0,
    from: { epoch: 0, step: 0 },
    shuffle: 'full',
    endOfEpoch: 'drop',
    prefetchBytes: DEFAULT_PREFETCH_BYTES,
    ...options,
    epochs: options.epochs,
    signal: options.signal,
    transform: {
      cropSize: undefined,
      cropMode: 'random',
      mirror: false,
      mean: 'image',
      scale: 1,
      dtype: 'uint8',
      layout: 'NHWC',
      channelOrder: 'BGR',
      ...options.transform,
    },
  };
  checkInteger('batchSize', complete.batchSize, 1);
  checkInteger('worldSize', complete.worldSize, 1);
  checkInteger('rank', complete.rank, 0);
  checkInteger('seed', complete.seed, 0);
  checkInteger('prefetchBytes', complete.prefetchBytes, 0);
  checkInteger('from.epoch', complete.from.epoch, 0);
  checkInteger('from.step', complete.from.step, 0);
  if (complete.epochs !== undefined) checkInteger('epochs', complete.epochs, 1);
  if (complete.rank >= complete.worldSize) {
    throw new UsageError('rank', `rank: expected a number below worldSize ${complete.worldSize}, got ${complete.rank}`);
  }
  return complete;
}

function checkInteger(name: string, value: number, min: number): void {
  if (!Number.isSafeInteger(value) || value < min) {
    throw new UsageError(name, `${name}: expected a whole number of at least ${min}, got ${value}`);
  }
}
