/**
 * A file server that gives each connection a rate of its own, whatever is asked over it, and counts what it sent. (nginx's
 * limit_rate counts per request, and lets the first second of each pass.) Arguments: file, bytes of it to serve, bytes per second
 * of a connection (0: as fast as it goes).
 */
import { open } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PacedServerOrder, PacedServerReport } from './download-paced.js';
import { FILE } from './download-tools.js';

const SLICE_BYTES = 1 << 16;
/** What a connection did not take in time it may take later, but not more than this. */
const MAX_CREDIT_MS = 20;

const [path, size, rate] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const file = await open(path);

/** When a connection may send again, in milliseconds of the steady clock. */
const dueAtMs = new WeakMap<Socket, number>();
let numBytesSent = 0;
let firstRequestAtMs: number | undefined;
let lastByteAtMs = 0;
/** What sending waits for while the server is held. */
let held: Promise<unknown> | undefined;
let goOn: (() => void) | undefined;

async function pace(socket: Socket, numBytes: number): Promise<void> {
  if (rate === 0) return;
  const now = performance.now();
  const due = Math.max(dueAtMs.get(socket) ?? now, now - MAX_CREDIT_MS);
  dueAtMs.set(socket, due + (numBytes / rate) * 1000);
  if (due > now) await sleep(due - now);
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  firstRequestAtMs ??= performance.now();
  const [, first = '0', last = ''] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  const begin = Number(first);
  const end = last === '' ? size : Math.min(size, Number(last) + 1);
  const isRange = request.headers.range !== undefined;
  if (begin >= size) {
    response.writeHead(416, { 'content-range': `bytes */${size}` }).end();
    return;
  }
  response.writeHead(isRange ? 206 : 200, {
    'accept-ranges': 'bytes',
    'content-length': end - begin,
    etag: '"bench"',
    ...(isRange && { 'content-range': `bytes ${begin}-${end - 1}/${size}` }),
  });
  for (let at = begin; at < end && !response.destroyed; at += SLICE_BYTES) {
    const slice = Buffer.allocUnsafe(Math.min(SLICE_BYTES, end - at));
    await file.read(slice, 0, slice.length, at);
    await pace(request.socket, slice.length);
    await held;
    await new Promise<void>((resolve, reject) => response.write(slice, (error) => (error ? reject(error) : resolve())));
    numBytesSent += slice.length;
    lastByteAtMs = performance.now();
  }
  response.end();
}

const server = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy());
});
server.listen(0, '127.0.0.1', () => {
  process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}/${FILE}`);
});
process.on('message', (order: PacedServerOrder) => {
  if (order === 'go-on') {
    goOn?.();
    held = goOn = undefined;
    return;
  }
  if (order === 'hold') held = new Promise<void>((resolve) => (goOn = resolve));
  // What is being written now is counted when it has been.
  setImmediate(report);
});
process.on('disconnect', () => process.exit());

function report(): void {
  const seconds = (lastByteAtMs - (firstRequestAtMs ?? lastByteAtMs)) / 1000;
  process.send?.({ numBytesSent, seconds } satisfies PacedServerReport);
  numBytesSent = 0;
  firstRequestAtMs = undefined;
}
