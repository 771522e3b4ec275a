/**
 * Batches received and decoded in a thread of their own, ahead of their reader: a training step keeps the reader's thread busy, and
 * would leave the network and the decoding to the time between steps.
 */
import { on } from 'node:events';
import { Worker } from 'node:worker_threads';
import { MillraceError, UsageError, type ErrorCode, type ErrorContext } from '../../../lib/core/errors.js';
import type { Batch } from './batch.js';
import { throwIfStopped, type StreamFacts } from './batch-stream.js';
import type { ConnectOptions, ReconnectEvent, StreamOptions } from './options.js';

/** What the thread is started with. */
export interface ReadAheadTask {
  readonly connect: Omit<ConnectOptions, 'onReconnect'>;
  readonly stream: StreamOptions;
  readonly maxBytes: number;
}

/** What the thread says. */
export type ReadAheadMessage =
  | { readonly type: 'batch'; readonly batch: Batch; readonly version: string | undefined }
  | { readonly type: 'reconnect'; readonly event: ReconnectEvent }
  | { readonly type: 'end' }
  | { readonly type: 'error'; readonly error: PlainError };

/** An error as a thread can hand it over. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly isRetryable: boolean;
  readonly context: ErrorContext;
  /** Of a UsageError. */
  readonly field?: string;
}

/** What the thread is told: that the reader has taken a batch of so many bytes. */
export interface BatchTaken {
  readonly bytes: number;
}

/** Bytes of a batch's arrays. */
export function bytesOf(batch: Batch): number {
  return arraysOf(batch).reduce((sum, { byteLength }) => sum + byteLength, 0);
}

/** The arrays of a batch, whatever it has. */
export function arraysOf(batch: Batch): ArrayBufferView<ArrayBuffer>[] {
  return Object.values(batch).filter((value) => ArrayBuffer.isView(value)) as ArrayBufferView<ArrayBuffer>[];
}

/**
 * Yields the batches of a stream. The thread ends with the iteration, and at once when the signal is aborted.
 * Throws what the stream throws, InterruptedError when the signal is aborted.
 */
export async function* readAhead(
  { onReconnect, ...connectOptions }: ConnectOptions,
  stream: StreamOptions,
  maxBytes: number,
  facts: StreamFacts,
  signal: AbortSignal,
): AsyncGenerator<Batch, void, undefined> {
  throwIfStopped(signal);
  // Without what cannot be handed to a thread; the signal ends it from here.
  const { baseMs, maxMs } = connectOptions.backoff ?? {};
  const task: ReadAheadTask = {
    connect: {
      ...connectOptions,
      backoff: { ...(baseMs !== undefined && { baseMs }), ...(maxMs !== undefined && { maxMs }) },
    },
    stream: { ...stream, signal: undefined },
    maxBytes,
  };
  // A program given by --eval says what it is, which a thread of a file must not.
  const isEvaluated = process.execArgv.some((flag) => flag.startsWith('--input-type'));
  const worker = new Worker(new URL('./read-ahead-main.js', import.meta.url), {
    workerData: task,
    ...(isEvaluated && { execArgv: [] }),
  });
  const stop = (): void => void worker.terminate();
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const [message] of on(worker, 'message', { signal, close: ['exit'] }) as AsyncIterable<
      [ReadAheadMessage]
    >) {
      throwIfStopped(signal);
      switch (message.type) {
        case 'batch': {
          facts.version = message.version;
          const taken: BatchTaken = { bytes: bytesOf(message.batch) };
          worker.postMessage(taken);
          yield message.batch;
          break;
        }
        case 'reconnect':
          facts.numReconnects++;
          onReconnect?.(message.event);
          break;
        case 'error':
          throw revive(message.error);
        case 'end':
          return;
      }
    }
    throw new MillraceError('ERR_INTERNAL', 'the thread that reads ahead ended without a word');
  } catch (error) {
    throwIfStopped(signal);
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    await worker.terminate();
  }
}

function revive({ code, message, isRetryable, context, field }: PlainError): MillraceError {
  return field === undefined
    ? new MillraceError(code, message, { isRetryable, context })
    : new UsageError(field, message, { isRetryable });
}
