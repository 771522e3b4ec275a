import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { createGzip } from 'node:zlib';
import { packTar } from '../../lib/archives/tar-writer.js';
import { BODY, CUT, cutThen, EXPECTED, LOGIN_PAGE, oddDownloads, type Expected } from '../fixtures/odd-download.js';
import { md5Of, send, type Handler } from '../fixtures/odd-server.js';

describe('downloading refuses, and gives nothing the final name', () => {
  const { download, target } = oddDownloads();

  const [html, text] = [LOGIN_PAGE, Buffer.from('no tar at all, but long enough to be one: '.repeat(20))];
  const refused: Record<string, { file?: string; handler: Handler; expected?: Expected; says: RegExp }> = {
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
      await assert.rejects(download(handler, expected, { file }), (error: Error & { code: string }) => {
        assert.equal(error.code, 'ERR_TRANSFER_REFUSED');
        assert.match(error.message, says);
        return true;
      });
      assert.equal(existsSync(target(file)), false);
    });
  }

  it('all of that, and takes a real tar without a known digest', async () => {
    const tar = await packTar([{ name: 'a', data: Buffer.from('a') }]);
    const { md5 } = await download((exchange) => send(exchange, tar), {}, { file: 'a.tar' });
    assert.equal(md5, md5Of(tar));
  });
});
