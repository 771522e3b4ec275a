import assert from 'node:assert/strict';
import type { RunOptions } from '../fixtures/download-run.js';
import { BODY, CUT, cutThen, EXPECTED, oddDownloads, OTHER } from '../fixtures/odd-download.js';
import { send, type Handler } from '../fixtures/odd-server.js';

describe('downloading from a server that misbehaves ends with the right bytes', () => {
  const { download, placed } = oddDownloads();

  interface Mended {
    readonly handler: Handler;
    readonly events: readonly string[];
    readonly options?: RunOptions;
    readonly expected?: { readonly bytes?: number; readonly md5: string };
  }
  const mended: Record<string, Mended> = {
    'when the connection is reset before any answer': {
      handler: (exchange) => (exchange.index < 2 ? void exchange.response.destroy() : send(exchange, BODY)),
      events: ['retry', 'retry', 'verified'],
    },
    'when a resume is answered with the whole file': {
      handler: cutThen((exchange) => send(exchange, BODY, { ignoresRange: true })),
      events: ['retry', 'restarted', 'verified'],
    },
    'when a resume is answered with another range': {
      handler: cutThen((exchange) =>
        send(exchange, BODY, exchange.index === 1 ? { headers: { 'content-range': 'bytes 7-999999/1000000' } } : {}),
      ),
      events: ['retry', 'restarted', 'verified'],
    },
    'when a resume is answered without a Content-Range': {
      handler: cutThen((exchange) =>
        send(exchange, BODY, exchange.index === 1 ? { headers: { 'content-range': undefined } } : {}),
      ),
      events: ['retry', 'restarted', 'verified'],
    },
    'when only the rest comes compressed': {
      handler: cutThen((exchange) =>
        send(exchange, BODY, exchange.index === 1 ? { headers: { 'content-encoding': 'gzip' } } : {}),
      ),
      events: ['retry', 'restarted', 'verified'],
    },
    'when the file changed between two requests': {
      handler: (exchange) =>
        exchange.index === 0 ? send(exchange, OTHER, CUT) : send(exchange, BODY, { etag: '"v2"' }),
      events: ['retry', 'restarted', 'verified'],
    },
    'when the file changed and the server does not know If-Range': {
      handler: (exchange) => {
        if (exchange.index === 0) return send(exchange, OTHER, CUT);
        delete exchange.request.headers['if-range'];
        return send(exchange, BODY, { etag: '"v2"' });
      },
      events: ['retry', 'restarted', 'verified'],
    },
    'when there is only a weak ETag, thanks to the digest': {
      handler: (exchange) => send(exchange, BODY, { etag: 'W/"v1"', ...(exchange.index === 0 && CUT) }),
      events: ['retry', 'resumed', 'verified'],
    },
    'when a resume is answered with a part of a longer file': {
      handler: cutThen((exchange) =>
        send(
          exchange,
          BODY,
          exchange.index === 1 ? { headers: { 'content-range': 'bytes 600000-999999/1000001' } } : {},
        ),
      ),
      events: ['retry', 'restarted', 'verified'],
    },
    'when a resume is answered with several ranges': {
      handler: cutThen((exchange) => {
        if (exchange.index > 1) return send(exchange, BODY);
        const part = (from: number) =>
          `--x\r\ncontent-range: bytes ${from}-${from + 3}/1000000\r\n\r\n${BODY.toString('latin1', from, from + 4)}\r\n`;
        exchange.response.writeHead(206, { 'content-type': 'multipart/byteranges; boundary=x' });
        exchange.response.end(`${part(600_000)}${part(700_000)}--x--`, 'latin1');
        return undefined;
      }),
      events: ['retry', 'restarted', 'verified'],
    },
    'when the file became shorter than what has come': {
      handler: (exchange) => {
        if (exchange.index === 0) return send(exchange, Buffer.concat([OTHER, OTHER]), { cutAfter: 1_500_000 });
        delete exchange.request.headers['if-range'];
        return send(exchange, BODY, { etag: '"v2"' });
      },
      expected: { md5: EXPECTED.md5 },
      events: ['retry', 'restarted', 'verified'],
    },
    'when the file became another one of another length': {
      handler: (exchange) =>
        exchange.index === 0
          ? send(exchange, Buffer.concat([OTHER, OTHER]), CUT)
          : send(exchange, BODY, { etag: '"v2"' }),
      expected: { md5: EXPECTED.md5 },
      events: ['retry', 'restarted', 'verified'],
    },
    'when the server does not know ranges though it says so': {
      handler: (exchange) =>
        send(exchange, BODY, {
          ignoresRange: true,
          headers: { 'accept-ranges': 'bytes' },
          ...(exchange.index === 0 && CUT),
        }),
      events: ['retry', 'restarted', 'verified'],
    },
    'when the server knows ranges though it denies it': {
      handler: (exchange) =>
        send(exchange, BODY, { headers: { 'accept-ranges': 'none' }, ...(exchange.index === 0 && CUT) }),
      events: ['retry', 'resumed', 'verified'],
    },
    'when the server has no HEAD, which is never asked for': {
      handler: (exchange) => {
        if (exchange.request.method === 'GET') return send(exchange, BODY);
        exchange.response.writeHead(405).end();
        return undefined;
      },
      events: ['verified'],
    },
    'when bytes drip': {
      handler: async ({ response }) => {
        response.writeHead(200, { 'content-length': BODY.length, etag: '"v1"' });
        for (let at = 0; at < BODY.length; at += 50_000) {
          await new Promise<void>((resolve) =>
            response.write(BODY.subarray(at, at + 50_000), () => setTimeout(resolve, 5)),
          );
        }
        response.end();
      },
      options: { transfer: { stallWindowMs: 50 } },
      events: ['verified'],
    },
    'when the server does not end a body that is complete': {
      handler: ({ response }) => {
        response.writeHead(200, { 'transfer-encoding': 'chunked', etag: '"v1"' }).write(BODY);
      },
      options: { transfer: { stallWindowMs: 300 } },
      events: ['verified'],
    },
    'when the connection is reset in the middle': {
      handler: async (exchange) => {
        if (exchange.index > 0) return send(exchange, BODY);
        exchange.response.writeHead(200, { 'content-length': BODY.length, etag: '"v1"' });
        await new Promise<void>((resolve) => exchange.response.write(BODY.subarray(0, 600_000), () => resolve()));
        exchange.response.socket?.resetAndDestroy();
        return undefined;
      },
      events: ['retry', 'resumed', 'verified'],
    },
    'when the connection ends in order before its body does': {
      handler: async (exchange) => {
        if (exchange.index > 0) return send(exchange, BODY);
        exchange.response.writeHead(200, { 'content-length': BODY.length, etag: '"v1"' });
        await new Promise<void>((resolve) => exchange.response.write(BODY.subarray(0, 600_000), () => resolve()));
        exchange.response.socket?.end();
        return undefined;
      },
      events: ['retry', 'resumed', 'verified'],
    },
    'when the length is said to be larger than it is': {
      handler: (exchange) =>
        send(
          exchange,
          BODY,
          exchange.index === 0 ? { ignoresRange: true, headers: { 'content-length': '1000001' } } : {},
        ),
      expected: { md5: EXPECTED.md5 },
      options: { transfer: { stallWindowMs: 300 } },
      events: ['retry', 'restarted', 'verified'],
    },
    'when a range says that the file is larger than it is': {
      handler: (exchange) => {
        const headers = { 'content-length': '1000001', 'content-range': 'bytes 0-1000000/1000001' };
        return send(exchange, BODY, exchange.index === 0 ? { headers } : {});
      },
      expected: { md5: EXPECTED.md5 },
      options: { transfer: { stallWindowMs: 300 } },
      events: ['retry', 'restarted', 'verified'],
    },
    'when the server asks for an absurd wait': {
      handler: (exchange) =>
        exchange.index === 0
          ? void exchange.response.writeHead(503, { 'retry-after': '99999999999' }).end()
          : send(exchange, BODY),
      events: ['retry', 'verified'],
    },
    'when the server is busy and asks to wait': {
      handler: (exchange) => {
        const { response, index } = exchange;
        if (index === 0) response.writeHead(503, { 'retry-after': '1' }).end();
        else if (index === 1) response.writeHead(429, { 'retry-after': new Date().toUTCString() }).end();
        else return send(exchange, BODY);
        return undefined;
      },
      events: ['retry', 'retry', 'verified'],
    },
    'when the body stalls': {
      handler: async (exchange) => {
        if (exchange.index > 0) return send(exchange, BODY);
        exchange.response.writeHead(200, { 'content-length': BODY.length, etag: '"v1"' });
        exchange.response.write(BODY.subarray(0, 600_000));
        return undefined;
      },
      options: { transfer: { stallWindowMs: 300 } },
      events: ['retry', 'resumed', 'verified'],
    },
    'when the headers do not come': {
      handler: (exchange) => (exchange.index > 0 ? send(exchange, BODY) : undefined),
      options: { transfer: { firstByteTimeoutMs: 300 } },
      events: ['retry', 'verified'],
    },
    'when a chunked body without a length is cut': {
      handler: async (exchange) => {
        const chunked = { headers: { 'content-length': undefined } };
        return send(exchange, BODY, exchange.index === 0 ? { ...chunked, ...CUT } : chunked);
      },
      events: ['retry', 'resumed', 'verified'],
    },
    'when a body ends early without saying so': {
      handler: (exchange) => {
        const { response } = exchange;
        if (exchange.index > 0) return send(exchange, BODY);
        response.writeHead(200, { 'transfer-encoding': 'chunked', etag: '"v1"' }).end(BODY.subarray(0, 600_000));
        return undefined;
      },
      events: ['retry', 'resumed', 'verified'],
    },
    'when all bytes had come but the length was not known': {
      handler: async (exchange) => {
        const { response } = exchange;
        if (exchange.index > 0) return send(exchange, BODY);
        response.writeHead(200, { 'transfer-encoding': 'chunked', etag: '"v1"' });
        await new Promise<void>((resolve) => response.write(BODY, () => resolve()));
        response.socket?.destroySoon();
        return undefined;
      },
      expected: { md5: EXPECTED.md5 },
      events: ['retry', 'verified'],
    },
  };
  for (const [title, { handler, events, options, expected }] of Object.entries(mended)) {
    it(title, async () => {
      const { names } = await download(handler, expected, options);
      assert.deepEqual(placed(), BODY);
      assert.deepEqual(names, events);
    });
  }
});
