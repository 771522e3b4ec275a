import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { BODY, CUT, cutThen, EXPECTED, LOGIN_PAGE, oddDownloads, OTHER } from '../fixtures/odd-download.js';
import { md5Of, send, type Handler } from '../fixtures/odd-server.js';

describe('downloading from servers that misbehave', () => {
  const { download, placed, target, renewRoot } = oddDownloads();

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
    assert.equal(existsSync(target()), false);
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
      renewRoot();
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
      assert.deepEqual(readFileSync(`${target()}.corrupt-${n}`), OTHER);
    }
    assert.equal(existsSync(target()), false);
    assert.equal(existsSync(`${target()}.part.json`), false);
  });

  it('finds bytes that a resume joined wrongly', async () => {
    // The right header, the wrong bytes: nothing but the digest can tell.
    const handler = cutThen((exchange) => send(exchange, OTHER));
    await assert.rejects(download(handler), { code: 'ERR_VERIFICATION' });
    assert.equal(existsSync(target()), false);
  });
});
