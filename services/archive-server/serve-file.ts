/** One GET or HEAD of one file: ranges, validators, and the cut that shows a resume at work. */
import { open, type FileHandle } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { isRangeCurrent, parseRange } from './byte-range.js';

export interface ServeFileOptions {
  readonly path: string;
  /** Cut the connection after this share of the body, of (0, 1); undefined: send it all. */
  readonly cutAt: number | undefined;
}

/** Answers a GET or HEAD; resolves when the response has been sent or its connection is gone. Throws when the file cannot be read. */
export async function serveFile(
  request: IncomingMessage,
  response: ServerResponse,
  { path, cutAt }: ServeFileOptions,
): Promise<void> {
  const file = await open(path, 'r');
  try {
    const { size, mtime, mtimeMs } = await file.stat();
    const etag = `"${size.toString(16)}-${Math.round(mtimeMs * 1000).toString(16)}"`;
    const lastModified = mtime.toUTCString();
    response.setHeaders(
      new Map([
        ['accept-ranges', 'bytes'],
        ['content-type', 'application/octet-stream'],
        ['etag', etag],
        ['last-modified', lastModified],
      ]),
    );
    const { range: rangeHeader, 'if-range': ifRange } = request.headers;
    const isCurrent = isRangeCurrent(typeof ifRange === 'string' ? ifRange : undefined, etag, lastModified);
    const range = isCurrent ? parseRange(rangeHeader, size) : undefined;
    if (range === 'unsatisfiable') {
      response.writeHead(416, { 'content-range': `bytes */${size}` }).end();
      return;
    }
    const { begin, end } = range ?? { begin: 0, end: size };
    response.writeHead(range === undefined ? 200 : 206, {
      'content-length': end - begin,
      ...(range !== undefined && { 'content-range': `bytes ${begin}-${end - 1}/${size}` }),
    });
    if (request.method === 'HEAD' || begin === end) {
      response.end();
      return;
    }
    const cutEnd = cutAt === undefined ? end : begin + Math.max(1, Math.floor((end - begin) * cutAt));
    await send(file, begin, cutEnd, response);
    if (cutEnd < end) response.socket?.destroySoon();
    else response.end();
  } finally {
    await file.close();
  }
}

async function send(file: FileHandle, begin: number, end: number, response: ServerResponse): Promise<void> {
  const stream = file.createReadStream({ start: begin, end: end - 1, autoClose: false, highWaterMark: 1 << 18 });
  await pipeline(stream, response, { end: false });
}
