/** Options of the client library, documented for its users and completed once. */
import type { BlockShape, Shuffle } from '../../../lib/core/arrangement.js';
import type { EndOfEpoch } from '../../../lib/core/batch-plan.js';
import type { BackoffOptions } from '../../../lib/core/backoff.js';
import { UsageError } from '../../../lib/core/errors.js';
import { isLoopbackAddress } from '../../../lib/core/loopback.js';
import { completeTransform, type TransformOptions } from '../../../lib/core/presets.js';
import type { Transform } from '../../../lib/core/transform.js';
import type { StreamPosition } from './batch.js';
import type { StreamState } from './batch-stream.js';

/** The largest number of most of the wire's fields. */
const MAX_UINT32 = 2 ** 32 - 1;

export interface ConnectOptions {
  /** Servers as `host:port`, or `unix:` and a path; any of which may serve any batch; the first one is tried first. */
  readonly servers: readonly string[];
  /** Undefined: no TLS. */
  readonly tls?: TlsOptions | undefined;
  /** Bearer token that each call carries. Only over TLS, or to servers on this machine. */
  readonly token?: string | undefined;
  /** Milliseconds that a server may take to answer at all before the next one is tried. Default 10,000. */
  readonly answerTimeoutMs?: number;
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
  /** The grain of `blocks`. Default: 64 samples, 128 blocks. */
  readonly blocks?: BlockShape | undefined;
  /** Which samples of the split take part, and how often. Default: all, each once an epoch. */
  readonly selection?: SelectionOptions | undefined;
  /** How often the split's samples come, relative to those of `mixWith`. Default: by the numbers of samples; then in none of them. */
  readonly weight?: number | undefined;
  /**
   * Other splits, interleaved with this one; their samples must have its shape. Their sample ids follow on this split's, one split
   * after the other; the mean is this split's, labels are each split's own.
   */
  readonly mixWith?: readonly SourceOptions[];
  /** Default `drop`. */
  readonly endOfEpoch?: EndOfEpoch;
  readonly transform?: TransformOptions;
  /** The split whose mean is subtracted, such as the train split of what is tested. Default: the stream's own. */
  readonly meanOf?: { readonly dataset: string; readonly split: string } | undefined;
  /** Default: labels as indices. */
  readonly labels?: LabelOptions;
  /** Where to begin instead of `from`: the `state()` of a stream with otherwise the same options. */
  readonly resumeFrom?: StreamState | undefined;
  /**
   * Bytes of decoded batches that a thread of the stream's own keeps ready, at least one batch. 0: no thread; a batch is decoded
   * when the reader asks for it. Default 268,435,456: the next few steps, whatever they take.
   */
  readonly prefetchBytes?: number;
  /**
   * TCP connections, each bringing an equal part of each batch, from a server of its own if there are several. Each has a window
   * of 16 MiB: on a long way, what a connection brings in a round trip. More than one help there, not near by. A divisor of
   * `batchSize`; with mixup or cutmix, of half of it. Default 1.
   */
  readonly connections?: number;
  /** Stops the stream; the iteration then throws InterruptedError. */
  readonly signal?: AbortSignal | undefined;
}

/** Which samples of a split take part. */
export interface SelectionOptions {
  /** Sample ids, each once, in the order that shuffle `none` gives them in. Not beside classes. */
  readonly ids?: readonly number[] | undefined;
  /** Labels whose samples take part, each once. */
  readonly classes?: readonly number[] | undefined;
  /** Every class equally often. Default false. */
  readonly balanceClasses?: boolean | undefined;
  /** How often the samples of `classes[i]` come, relative to the others: whole numbers of 1 to 2^20. */
  readonly classWeights?: readonly number[] | undefined;
}

/** A split that is interleaved with another one. */
export interface SourceOptions {
  readonly dataset: string;
  readonly split: string;
  /** A whole number of 1 to 2^31. */
  readonly weight?: number | undefined;
  readonly selection?: SelectionOptions | undefined;
}

/** How the batch's labels come. */
export interface LabelOptions {
  /** `one-hot`: rows of probabilities too, as `batch.targets`. Default `index`, and `one-hot` when there is something to smooth or mix. */
  readonly format?: 'index' | 'one-hot';
  /** Probability spread over all classes, `[0, 1)`. Default 0. */
  readonly smoothing?: number;
}

export type CompleteStreamOptions = Required<
  Pick<
    StreamOptions,
    'batchSize' | 'rank' | 'worldSize' | 'seed' | 'from' | 'shuffle' | 'endOfEpoch' | 'prefetchBytes' | 'connections'
  >
> & {
  /** The split and those that it is mixed with; the first one's mean is subtracted. */
  readonly sources: readonly [SourceOptions, ...SourceOptions[]];
  readonly blocks: BlockShape | undefined;
  readonly meanOf: { readonly dataset: string; readonly split: string } | undefined;
  readonly transform: Transform;
  /** Undefined: labels as indices alone. */
  readonly smoothing: number | undefined;
  readonly epochs: number | undefined;
  readonly signal: AbortSignal | undefined;
};

/** Throws UsageError naming the option. */
export function checkConnectOptions({ servers, tls, token }: ConnectOptions): void {
  if (servers.length === 0) throw new UsageError('servers', 'servers: expected at least one host:port');
  const odd = servers.find((server) => !/^(unix:.+|(?!https?:).+:\d+)$/.test(server));
  if (odd !== undefined)
    throw new UsageError('servers', `servers: expected host:port, or unix: and a path, got "${odd}"`);
  const far = servers.find((server) => !isLoopbackAddress(server));
  if (token !== undefined && tls === undefined && far !== undefined) {
    throw new UsageError('token', `token: it would go to ${far} in the clear; give tls as well`);
  }
}

const DEFAULT_PREFETCH_BYTES = 256 << 20;

/** Throws UsageError naming the option. */
export function completeStreamOptions(options: StreamOptions): CompleteStreamOptions {
  const { dataset, split, weight, selection, mixWith = [], labels = {} } = options;
  const transform = completeTransform(options.transform ?? {});
  const isMixed = transform.mixing.mixupAlpha > 0 || transform.mixing.cutmixAlpha > 0;
  const { smoothing = 0, format = smoothing > 0 || isMixed ? 'one-hot' : 'index' } = labels;
  if (!(smoothing >= 0 && smoothing < 1)) {
    throw new UsageError('labels.smoothing', `labels.smoothing: expected a number of [0, 1), got ${smoothing}`);
  }
  if (format === 'index' && (smoothing > 0 || isMixed)) {
    throw new UsageError(
      'labels.format',
      'labels.format: expected "one-hot", as an index cannot be smoothed or mixed, got "index"',
    );
  }
  const complete: CompleteStreamOptions = {
    batchSize: options.batchSize,
    rank: options.rank ?? 0,
    worldSize: options.worldSize ?? 1,
    seed: options.seed ?? 0,
    from: options.from ?? { epoch: 0, step: 0 },
    prefetchBytes: options.prefetchBytes ?? DEFAULT_PREFETCH_BYTES,
    connections: options.connections ?? 1,
    epochs: options.epochs,
    sources: [{ dataset, split, weight, selection }, ...mixWith],
    shuffle: options.shuffle ?? 'full',
    blocks: options.blocks,
    meanOf: options.meanOf,
    endOfEpoch: options.endOfEpoch ?? 'drop',
    transform,
    smoothing: format === 'index' ? undefined : smoothing,
    signal: options.signal,
  };
  checkInteger('worldSize', complete.worldSize, 1);
  checkInteger('batchSize', complete.batchSize, 1, Math.floor(MAX_UINT32 / complete.worldSize));
  checkInteger('rank', complete.rank, 0);
  checkInteger('seed', complete.seed, 0);
  checkInteger('prefetchBytes', complete.prefetchBytes, 0);
  checkInteger('connections', complete.connections, 1);
  checkParts(complete.batchSize, complete.connections, isMixed);
  checkPosition('from', complete.from);
  if (options.resumeFrom !== undefined) checkPosition('resumeFrom', options.resumeFrom);
  if (complete.epochs !== undefined) checkInteger('epochs', complete.epochs, 1, MAX_UINT32 - complete.from.epoch);
  checkInteger('transform.cropSize', transform.cropSize ?? 0, 0, MAX_UINT32);
  checkInteger('blocks.blockSamples', complete.blocks?.blockSamples ?? 0, 0, MAX_UINT32);
  checkInteger('blocks.windowBlocks', complete.blocks?.windowBlocks ?? 0, 0, MAX_UINT32);
  complete.sources.forEach((source, i) => checkSource(i === 0 ? '' : `mixWith[${i - 1}].`, source));
  if (complete.rank >= complete.worldSize) {
    throw new UsageError('rank', `rank: expected a number below worldSize ${complete.worldSize}, got ${complete.rank}`);
  }
  return complete;
}

/** Each connection brings an equal part of each batch, and whole pairs where those are mixed. */
function checkParts(batchSize: number, connections: number, isMixed: boolean): void {
  if (connections === 1 || batchSize % (isMixed ? 2 * connections : connections) === 0) return;
  throw new UsageError(
    'connections',
    `connections: expected a divisor of ${isMixed ? 'half of ' : ''}batchSize ${batchSize}, as each connection brings an ` +
      `equal part of each batch${isMixed ? ' in pairs, which are mixed' : ''}, got ${connections}`,
  );
}

function checkPosition(name: string, { epoch, step }: StreamPosition): void {
  checkInteger(`${name}.epoch`, epoch, 0, MAX_UINT32);
  checkInteger(`${name}.step`, step, 0);
}

/** What of a split the wire has no numbers for; whether it has such samples is the server's to say. */
function checkSource(prefix: string, { weight, selection = {} }: SourceOptions): void {
  const { ids = [], classes = [], classWeights = [] } = selection;
  if (weight !== undefined) checkInteger(`${prefix}weight`, weight, 1, 2 ** 31);
  for (const id of ids) checkInteger(`${prefix}selection.ids`, id, 0);
  for (const label of classes) checkInteger(`${prefix}selection.classes`, label, 0, MAX_UINT32);
  for (const share of classWeights) checkInteger(`${prefix}selection.classWeights`, share, 1, 2 ** 20);
}

function checkInteger(name: string, value: number, min: number, max = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `of [${min}, ${max}]`;
  throw new UsageError(name, `${name}: expected a whole number ${range}, got ${value}`);
}
