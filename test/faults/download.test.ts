import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createGzip } from 'node:zlib';
import { packTar } from '../../lib/archives/tar-writer.js';
import { archivePath } from '../../lib/platform/root-layout.js';
import { archiveOf, downloadOne, type RunOptions } from '../fixtures/download-run.js';
import { md5Of, noise, send, startOddServer, type Handler, type OddServer } from '../fixtures/odd-server.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

const BODY = noise(1_000_000);
const OTHER = Buffer.from(BODY.map((byte) => byte ^ 0xff));
const EXPECTED = { bytes: BODY.length, md5: md5Of(BODY) };
const CUT = { cutAfter: 600_000 };
const LOGIN_PAGE = Buffer.from('\n<!DOCTYPE html><title>Log in</title>');

describe('downloading from servers that misbehave', () => {
  const folder = temporaryFolder();
  let root: string;
  let numRoots = 0;
  let server: OddServer | undefined;

  beforeEach(() => {
    root = join(folder.path, `root-${numRoots++}`);
  });
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  async function download(
    handler: Handler,
    expected: { bytes?: number; md5?: string; sha1?: string; sha256?: string } = EXPECTED,
    options?: RunOptions,
  ) {
    server ??= await startOddServer(handler);
    return downloadOne(root, archiveOf('images.bin', [`${server.url}/a`], expected), options);
  }
  const placed = (): Buffer => readFileSync(archivePath(root, 'images.bin'));
  /** The first request is cut at 60 %, the others get what `later` sends. */
  const cutThen =
    (later: Handler): Handler =>
    (exchange) =>
      exchange.index === 0 ? send(exchange, BODY, CUT) : later(exchange);

  describe('ends with the right bytes', () => {
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

  describe('refuses, and gives nothing the final name', () => {
    const [html, text] = [LOGIN_PAGE, Buffer.from('no tar at all, but long enough to be one: '.repeat(20))];
    const refused: Record<string, { file?: string; handler: Handler; expected?: object; says: RegExp }> = {
      'a login page with status 200': { handler: (e) => send(e, html), expected: {}, says: /login/ },
      'a login page for a list': { file: 'list.txt', handler: (e) => send(e, html), expected: {}, says: /login/ },
      'a login page of the right length': {
        handler: (e) => send(e, html),
        expected: { bytes: html.length, md5: EXPECTED.md5 },
        says: /login/,
      },
      'what is no tar, without a digest': {
        file: 'a.tar',
        handler: (e) => send(e, text),
        expected: {},
        says: /tar file/,
      },
      'what is no gzip, without a digest': { file: 'a.tgz', handler: (e) => send(e, text), expected: {}, says: /gzip/ },
      'what is no zip, without a digest': { file: 'a.zip', handler: (e) => send(e, text), expected: {}, says: /zip/ },
      'a compressed body': {
        handler: ({ response }) => {
          response.writeHead(200, { 'content-encoding': 'gzip' });
          createGzip().end(BODY).pipe(response);
        },
        says: /"gzip" encoding/,
      },
      'a compressed rest': {
        handler: cutThen((exchange) => send(exchange, BODY, { headers: { 'content-encoding': 'gzip' } })),
        says: /"gzip" encoding/,
      },
      'nothing at all, said with 204': {
        handler: ({ response }) => void response.writeHead(204).end(),
        says: /204/,
      },
      'another length than the catalog knows': { handler: (e) => send(e, BODY.subarray(1)), says: /999999 bytes/ },
      'a body longer than it should be': {
        handler: ({ response }) => void response.writeHead(200).end(Buffer.concat([BODY, BODY])),
        says: /more than the 1000000 bytes/,
      },
      'a body that only the end of the connection delimits, without digest or length': {
        handler: ({ response }) => {
          response.socket?.end('HTTP/1.0 200 OK\r\n\r\nabc');
        },
        expected: {},
        says: /how long the file is/,
      },
      'a missing file': { handler: ({ response }) => void response.writeHead(404).end(), says: /404/ },
      'a file that needs a login': { handler: ({ response }) => void response.writeHead(403).end(), says: /login/ },
      'a redirect in a circle': {
        handler: ({ response }) => void response.writeHead(302, { location: '/a' }).end(),
        says: /redirects/,
      },
      'a redirect that does not say where to': {
        handler: ({ response }) => void response.writeHead(302).end(),
        says: /where to/,
      },
      'a redirect to a local file': {
        handler: ({ response }) => void response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
        says: /file:/,
      },
      'a file that changes all the time': {
        handler: (e) => send(e, BODY, { ...CUT, etag: `"v${e.index}"` }),
        says: /too often/,
      },
    };
    for (const [title, { file = 'images.bin', handler, expected = EXPECTED, says }] of Object.entries(refused)) {
      it(title, async () => {
        server = await startOddServer(handler);
        const run = downloadOne(root, archiveOf(file, [`${server.url}/a`], expected));
        await assert.rejects(run, (error: Error & { code: string }) => {
          assert.equal(error.code, 'ERR_TRANSFER_REFUSED');
          assert.match(error.message, says);
          return true;
        });
        assert.equal(existsSync(archivePath(root, file)), false);
      });
    }
  });

  it('takes a real tar without a known digest', async () => {
    const tar = await packTar([{ name: 'a', data: Buffer.from('a') }]);
    server = await startOddServer((exchange) => send(exchange, tar));
    const summary = await downloadOne(root, archiveOf('a.tar', [`${server.url}/a`]));
    assert.equal(summary.md5, md5Of(tar));
  });

  it('keeps what it has when a resume is answered with a login page', async () => {
    let isLoggedOut = true;
    const handler = cutThen((exchange) =>
      isLoggedOut ? send(exchange, LOGIN_PAGE, { ignoresRange: true }) : send(exchange, BODY),
    );
    const expected = { md5: EXPECTED.md5 };
    await assert.rejects(download(handler, expected), { code: 'ERR_TRANSFER_REFUSED' });
    isLoggedOut = false;
    const { resumedAt } = await download(handler, expected);
    assert.deepEqual(resumedAt, [600_000]);
    assert.deepEqual(placed(), BODY);
  });

  it('gives up after some tries without a byte, and goes on in a later run', async () => {
    let isDown = true;
    const handler = cutThen((exchange) =>
      isDown ? void exchange.response.writeHead(500).end() : send(exchange, BODY),
    );
    await assert.rejects(download(handler), { code: 'ERR_TRANSFER', isRetryable: true });
    isDown = false;
    assert.deepEqual((await download(handler)).resumedAt, [600_000]);
    assert.deepEqual(placed(), BODY);
  });

  it('does not resume without validator and digest', async () => {
    const { names } = await download((e) => send(e, BODY, { etag: null, ...(e.index === 0 && CUT) }), {});
    assert.deepEqual(names, ['retry', 'restarted', 'unverified']);
    assert.deepEqual(placed(), BODY);
  });

  it('resumes by a Last-Modified that is a minute old', async () => {
    const headers = { 'last-modified': 'Mon, 01 Jan 2024 00:00:00 GMT' };
    const { names } = await download((exchange) => {
      const ifRange = exchange.request.headers['if-range'];
      if (exchange.index > 0) assert.equal(ifRange, headers['last-modified']);
      delete exchange.request.headers['if-range'];
      return send(exchange, BODY, { etag: null, headers, ...(exchange.index === 0 && CUT) });
    }, {});
    assert.deepEqual(names, ['retry', 'resumed', 'unverified']);
    assert.deepEqual(placed(), BODY);
  });

  it('does not resume by a Last-Modified that a second change could hide behind', async () => {
    const { names } = await download((exchange) => {
      const headers = { 'last-modified': new Date().toUTCString() };
      assert.equal(exchange.request.headers['if-range'], undefined);
      return send(exchange, BODY, { etag: null, headers, ...(exchange.index === 0 && CUT) });
    }, {});
    assert.deepEqual(names, ['retry', 'restarted', 'unverified']);
  });

  it('finds a length that is said to be smaller than it is by the digest', async () => {
    const handler: Handler = ({ response }) => {
      response.socket?.end(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 600000\r\n\r\n'), BODY]));
    };
    await assert.rejects(download(handler, { md5: EXPECTED.md5 }), { code: 'ERR_VERIFICATION' });
    assert.equal(existsSync(archivePath(root, 'images.bin')), false);
  });

  it('takes its time from a clock that does not jump', async () => {
    const { now } = Date;
    let hours = 0;
    Date.now = () => now() + 3_600_000 * (hours++ % 2 === 0 ? 24 : -24);
    try {
      const { names } = await download(cutThen((exchange) => send(exchange, BODY)));
      assert.deepEqual(names, ['retry', 'resumed', 'verified']);
    } finally {
      Date.now = now;
    }
  });

  it('says where a wrong file differed, when the right one has come', async () => {
    const wrong = Buffer.from(BODY);
    wrong[700_000] ^= 1;
    let body: Buffer = wrong;
    const handler: Handler = (exchange) => send(exchange, body);
    await assert.rejects(download(handler), { code: 'ERR_VERIFICATION' });
    body = BODY;
    const { heard } = await download(handler);
    const compared = heard.find(({ name }) => name === 'corrupt-compared');
    assert.deepEqual(compared?.fields['ranges'], [[0, 1_000_000]]);
  });

  it('checks SHA-1 and SHA-256 beside MD5, where they are known', async () => {
    const [sha1, sha256] = ['sha1', 'sha256'].map((name) => createHash(name).update(BODY).digest('hex'));
    await download((exchange) => send(exchange, BODY), { sha1, sha256 });
    for (const wrong of [{ sha1: sha1.replace(/./g, '0') }, { sha256: sha256.replace(/./g, '0') }]) {
      root = join(folder.path, `root-${numRoots++}`);
      await assert.rejects(
        download((exchange) => send(exchange, BODY), { sha1, sha256, ...wrong }),
        /expected SHA-\d+ 0+/,
      );
    }
  });

  it('sets a file with a wrong MD5 aside, and numbers the next one', async () => {
    for (const n of [1, 2]) {
      await assert.rejects(
        download((exchange) => send(exchange, OTHER)),
        (error: Error & { code: string }) => {
          assert.equal(error.code, 'ERR_VERIFICATION');
          for (const md5 of [EXPECTED.md5, md5Of(OTHER)]) assert.ok(error.message.includes(md5), error.message);
          return true;
        },
      );
      assert.deepEqual(readFileSync(`${archivePath(root, 'images.bin')}.corrupt-${n}`), OTHER);
    }
    assert.equal(existsSync(archivePath(root, 'images.bin')), false);
    assert.equal(existsSync(`${archivePath(root, 'images.bin')}.part.json`), false);
  });

  it('finds bytes that a resume joined wrongly', async () => {
    // The right header, the wrong bytes: nothing but the digest can tell.
    const handler = cutThen((exchange) => send(exchange, OTHER));
    await assert.rejects(download(handler), { code: 'ERR_VERIFICATION' });
    assert.equal(existsSync(archivePath(root, 'images.bin')), false);
  });
});
