/** Options of the client library, documented for its users and completed once. */
import type { EndOfEpoch, Shuffle } from '../../../lib/core/batch-plan.js';
import type { BackoffOptions } from '../../../lib/core/backoff.js';
import { UsageError } from '../../../lib/core/errors.js';
import type { Transform } from '../../../lib/core/transform.js';
import type { StreamPosition } from './batch.js';

export interface ConnectOptions {
  /** Servers as `host:port`, any of which may serve any batch; the first one is tried first. */
  readonly servers: readonly string[];
  /** PEM text of the certificate authority of the servers. Undefined: no TLS. */
  readonly tls?: { readonly rootCertificates: Buffer } | undefined;
  /** Waits between tries when no server answers. Default 500 ms doubling up to 30 s, with full jitter. */
  readonly backoff?: BackoffOptions;
  /** Milliseconds that a server that does not answer is tried again for; then the stream fails. Default 60,000. */
  readonly giveUpMs?: number;
  /** Called when a stream has to go on elsewhere or later; for logs. */
  readonly onReconnect?: (event: ReconnectEvent) => void;
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
  /** Stops the stream; the iteration then throws InterruptedError. */
  readonly signal?: AbortSignal | undefined;
}

export type CompleteStreamOptions = Required<Omit<StreamOptions, 'transform' | 'epochs' | 'signal'>> & {
  readonly transform: Transform;
  readonly epochs: number | undefined;
  readonly signal: AbortSignal | undefined;
};

/** Throws UsageError naming the option. */
export function completeStreamOptions(options: StreamOptions): CompleteStreamOptions {
  const complete: CompleteStreamOptions = {
    rank: 0,
    worldSize: 1,
    seed: 0,
    from: { epoch: 0, step: 0 },
    shuffle: 'full',
    endOfEpoch: 'drop',
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
