/** Servers at fault, most of them on the first request only: what a downloader meets in years of large files. */
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { noise, send, type Handler, type SendOptions } from '../test/fixtures/odd-server.js';
import { FILE } from './download-tools.js';

export interface Fault {
  readonly title: string;
  /** The handler of one server; `kill` kills the downloader that is under way. */
  readonly serve: (kill: () => void) => Handler;
  /** The server's file is {@link NEW_FILE} in the end. Default false. */
  readonly isReplaced?: boolean;
  /** Started at once on one target. Default 1. */
  readonly numProcesses?: number;
}

const SIZE = 8 << 20;
const CUT = Math.floor(SIZE * 0.4);
/** How far the body is off where a server miscounts. */
const SHIFT = 1000;
/** For a downloader to take and keep what it was sent, before the server goes on with its fault. */
const SETTLE_MS = 500;

export const OLD_FILE = noise(SIZE);
/** As long as the old one, and different in every byte. */
export const NEW_FILE = OLD_FILE.map((byte) => byte ^ 0x5a) as Buffer;
const SHIFTED_FILE = Buffer.concat([OLD_FILE.subarray(SHIFT), OLD_FILE.subarray(0, SHIFT)]);

const LOGIN_PAGE = '<!DOCTYPE html><html><body>Please log in</body></html>';

type Exchange = Parameters<Handler>[0];

const good: Handler = (exchange) => send(exchange, OLD_FILE);
const sendNew: Handler = (exchange) => send(exchange, NEW_FILE, { etag: '"v2"' });
const sendOld =
  (options: SendOptions): Handler =>
  (exchange) =>
    send(exchange, OLD_FILE, options);
const cut = sendOld({ cutAfter: CUT });

/** One handler a request, the last one for all further ones. */
function inTurn(...handlers: readonly Handler[]): Handler {
  return (exchange) => handlers[Math.min(exchange.index, handlers.length - 1)](exchange);
}

/** Offset of the first byte asked for. */
function beginOf({ request }: Exchange): number {
  return Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
}

/** For requests that go on in the middle. */
function onResume(resumed: Handler): Handler {
  return (exchange) => (beginOf(exchange) > 0 ? resumed(exchange) : good(exchange));
}

/** Sends the first `numBytes` of an answer, and leaves the connection open. */
async function sendSome({ response, server }: Exchange, numBytes: number): Promise<void> {
  response.writeHead(200, { 'content-length': SIZE, etag: '"v1"' });
  server.numBytesSent += numBytes;
  response.write(OLD_FILE.subarray(0, numBytes));
  await sleep(SETTLE_MS);
}

const loginPage: Handler = ({ response }) => {
  response.writeHead(200, { 'content-type': 'text/html', 'content-length': LOGIN_PAGE.length }).end(LOGIN_PAGE);
};

const busy =
  (status: number): Handler =>
  ({ response }) => {
    response.writeHead(status, { 'retry-after': '1', 'content-length': 0 }).end();
  };

interface RestOptions {
  /** Headers beside or instead of the right ones. */
  readonly headers?: Record<string, string>;
  /** Between slices of 64 KiB. Default 0. */
  readonly pauseMs?: number;
}

/** Answers `body` as what the file has from `begin` on, a slice at a time, until the other end has enough. */
async function sendRest(exchange: Exchange, begin: number, body: Buffer, options: RestOptions = {}): Promise<void> {
  const { request, response, server } = exchange;
  const isRange = request.headers.range !== undefined;
  response.writeHead(isRange ? 206 : 200, {
    'content-length': body.length,
    etag: '"v1"',
    ...(isRange && { 'content-range': `bytes ${begin}-${SIZE - 1}/${SIZE}` }),
    ...options.headers,
  });
  for (let at = 0; at < body.length && !response.destroyed; at += 1 << 16) {
    const slice = body.subarray(at, at + (1 << 16));
    server.numBytesSent += slice.length;
    await new Promise<void>((resolve) => response.write(slice, () => resolve()));
    if (options.pauseMs !== undefined) await sleep(options.pauseMs);
  }
  response.end();
}

const wrongOffset: Handler = (exchange) => {
  const begin = Math.max(0, beginOf(exchange) - SHIFT);
  return sendRest(exchange, begin, OLD_FILE.subarray(begin));
};

const gzipped: Handler = (exchange) => {
  const begin = beginOf(exchange);
  return sendRest(exchange, begin, gzipSync(OLD_FILE.subarray(begin)), { headers: { 'content-encoding': 'gzip' } });
};

const killAfter =
  (share: number, kill: () => void): Handler =>
  async (exchange) => {
    await sendSome(exchange, Math.floor(SIZE * share));
    kill();
  };

/** Redirects to addresses that work once each; the first transfer is cut. */
function singleUseRedirects(): Handler {
  let numIssued = 0;
  const used = new Set<string>();
  return (exchange) => {
    const { request, response } = exchange;
    const path = request.url ?? '';
    if (path === `/${FILE}`) {
      response.writeHead(302, { location: `/signed-${numIssued++}/${FILE}`, 'content-length': 0 }).end();
      return;
    }
    if (used.has(path)) {
      response.writeHead(403, { 'content-length': 0 }).end();
      return;
    }
    used.add(path);
    return (used.size === 1 ? cut : good)(exchange);
  };
}

/** Slow enough for two processes to meet. */
const slowly: Handler = (exchange) => {
  const begin = beginOf(exchange);
  return sendRest(exchange, begin, OLD_FILE.subarray(begin), { pauseMs: 15 });
};

export const FAULTS: readonly Fault[] = [
  { title: 'cuts at 40 %', serve: () => inTurn(cut, good) },
  {
    title: 'resets at 40 %',
    serve: () =>
      inTurn(async (exchange) => {
        await sendSome(exchange, CUT);
        exchange.response.socket?.resetAndDestroy();
      }, good),
  },
  {
    title: 'cuts; then other content and ETag, same length',
    isReplaced: true,
    serve: () => inTurn(cut, sendNew),
  },
  {
    title: 'the same, with kill -9 and a second run',
    isReplaced: true,
    serve: (kill) => inTurn(killAfter(0.4, kill), sendNew),
  },
  { title: 'cuts; then ignores Range (200)', serve: () => inTurn(cut, sendOld({ ignoresRange: true })) },
  { title: 'cuts; then 206 from a wrong offset', serve: () => inTurn(cut, onResume(wrongOffset)) },
  {
    title: 'cuts; then 206, right header, shifted bytes',
    serve: () =>
      inTurn(
        cut,
        onResume((exchange) => send(exchange, SHIFTED_FILE)),
      ),
  },
  { title: 'stalls at 40 %', serve: () => inTurn((exchange) => sendSome(exchange, CUT), good) },
  { title: '503 + Retry-After twice', serve: () => inTurn(busy(503), busy(503), good) },
  { title: '429 + Retry-After twice', serve: () => inTurn(busy(429), busy(429), good) },
  { title: 'login page (200) first', serve: () => inTurn(loginPage, good) },
  { title: 'cuts; then a login page (200)', serve: () => inTurn(cut, loginPage, good) },
  { title: 'redirects to single-use addresses, cuts', serve: singleUseRedirects },
  { title: 'cuts; then gzip Content-Encoding', serve: () => inTurn(cut, onResume(gzipped)) },
  {
    title: 'Content-Length too small, once',
    serve: () => inTurn(sendOld({ cutAfter: CUT, headers: { 'content-length': String(CUT) } }), good),
  },
  {
    title: 'chunked, dies at 40 %',
    serve: () => inTurn(sendOld({ cutAfter: CUT, headers: { 'content-length': undefined } }), good),
  },
  {
    title: 'no length, ends at 40 %',
    serve: () =>
      inTurn((exchange) => {
        exchange.response.removeHeader('transfer-encoding');
        return send(exchange, OLD_FILE, { cutAfter: CUT, headers: { 'content-length': undefined } });
      }, good),
  },
  { title: 'kill -9 at 37 %, second run', serve: (kill) => inTurn(killAfter(0.37, kill), good) },
  { title: 'two processes, one target', numProcesses: 2, serve: () => slowly },
];
