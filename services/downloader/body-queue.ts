/** Reading a body so that nothing which came is lost: Node's own iterator drops what it has buffered when a stream fails. */
import type { Readable } from 'node:stream';

/** Bytes held while the reader is busy: enough to keep the network going while a megabyte is written. */
const MAX_QUEUED_BYTES = 1 << 20;

/** The chunks of a stream, once; an error of the stream is thrown after the last chunk that came before it. */
export async function* readQueued(stream: Readable): AsyncGenerator<Buffer, void, undefined> {
  const chunks: Buffer[] = [];
  let numQueuedBytes = 0;
  let ending: { readonly error?: unknown } | undefined;
  let wake = (): void => undefined;

  const endWith = (how: { readonly error?: unknown }): void => {
    ending ??= how;
    wake();
  };
  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    numQueuedBytes += chunk.length;
    if (numQueuedBytes >= MAX_QUEUED_BYTES) stream.pause();
    wake();
  });
  stream.on('end', () => endWith({}));
  stream.on('error', (error) => endWith({ error }));
  stream.on('close', () => endWith({ error: new Error('the connection was closed') }));

  while (true) {
    const chunk = chunks.shift();
    if (chunk !== undefined) {
      numQueuedBytes -= chunk.length;
      if (stream.isPaused() && numQueuedBytes < MAX_QUEUED_BYTES / 2) stream.resume();
      yield chunk;
    } else if (ending === undefined) {
      await new Promise<void>((resolve) => (wake = resolve));
    } else if ('error' in ending) {
      throw ending.error;
    } else {
      return;
    }
  }
}
