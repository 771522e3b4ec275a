/** The thread that reads ahead: a client of its own, whose batches go to the thread that started it. */
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { messageOf, MillraceError, UsageError } from '../../../lib/core/errors.js';
import { connect } from './client.js';
import {
  arraysOf,
  bytesOf,
  type BatchTaken,
  type PlainError,
  type ReadAheadMessage,
  type ReadAheadTask,
} from './read-ahead.js';

if (parentPort === null) throw new Error('this file is a thread, not a program');
const port = parentPort;
const task = workerData as ReadAheadTask;
const say = (message: ReadAheadMessage, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);

let bytesAhead = 0;
port.on('message', ({ bytes }: BatchTaken) => (bytesAhead -= bytes));

const client = connect({ ...task.connect, onReconnect: (event) => say({ type: 'reconnect', event }) });
try {
  const stream = client.stream({ ...task.stream, prefetchBytes: 0 });
  for await (const batch of stream) {
    bytesAhead += bytesOf(batch);
    const buffers = arraysOf(batch).map(({ buffer }) => buffer);
    say({ type: 'batch', batch, version: stream.state().version }, buffers);
    while (bytesAhead >= task.maxBytes) await once(port, 'message');
  }
  say({ type: 'end' });
} catch (error) {
  say({ type: 'error', error: plain(error) });
} finally {
  client.close();
  port.close();
}

function plain(error: unknown): PlainError {
  if (!(error instanceof MillraceError)) {
    return { code: 'ERR_INTERNAL', message: messageOf(error), isRetryable: false, context: {} };
  }
  const { code, message, isRetryable, context } = error;
  return { code, message, isRetryable, context, ...(error instanceof UsageError && { field: error.field }) };
}
