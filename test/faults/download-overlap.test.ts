import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { archivePath } from '../../lib/platform/root-layout.js';
import { DEFAULT_TRANSFER_OPTIONS, segmentBytesOf } from '../../services/downloader/transfer-options.js';
import { downloadRoot } from '../fixtures/download-root.js';
import { archiveOf, downloadOne, SEGMENTED, type RunOptions } from '../fixtures/download-run.js';
import { drip, rangeOf } from '../fixtures/drip.js';
import { md5Of, noise, send, type Handler } from '../fixtures/odd-server.js';
import { oddServers } from '../fixtures/odd-servers.js';

const BODY = noise(2_000_000);
const SHIFTED = Buffer.concat([BODY.subarray(1000), BODY.subarray(0, 1000)]);
const OTHER = Buffer.from(BODY.map((byte) => byte ^ 0xff));
const CUT = { cutAfter: 1_200_000 };
const OVERLAP_BYTES = 32_768;
const PIECE_BYTES = segmentBytesOf({ ...DEFAULT_TRANSFER_OPTIONS, ...SEGMENTED });

describe('downloading without a digest from servers with right headers and wrong bytes', () => {
  const root = downloadRoot();
  const { servers, serve } = oddServers();

  const download = async (handler: Handler, options: RunOptions = {}, expected: { md5?: string } = {}) => {
    if (servers.length === 0) await serve(handler);
    return downloadOne(root.path, archiveOf('images.bin', [`${servers[0].url}/a`], expected), options);
  };
  const target = (): string => archivePath(root.path, 'images.bin');
  /** The first request is cut, the one that goes on is answered with bytes of `wrong`, later ones rightly. */
  const goingOnWith =
    (wrong: Buffer): Handler =>
    (exchange) => {
      if (exchange.index === 0) return send(exchange, BODY, CUT);
      return send(exchange, exchange.index === 1 ? wrong : BODY);
    };

  for (const [what, wrong] of Object.entries({ 'shifted bytes': SHIFTED, 'bytes of another file': OTHER })) {
    it(`starts over when a cut transfer is gone on with by ${what}`, async () => {
      const { names } = await download(goingOnWith(wrong));
      assert.deepEqual(names, ['retry', 'restarted', 'unverified']);
      assert.deepEqual(readFileSync(target()), BODY);
    });
  }

  it('starts over when a later run is answered so', async () => {
    let isDown = true;
    const handler: Handler = (exchange) => {
      if (exchange.index === 0) return send(exchange, BODY, CUT);
      if (isDown) return void exchange.response.writeHead(500).end();
      return send(exchange, exchange.request.headers.range === undefined ? BODY : SHIFTED);
    };
    await assert.rejects(download(handler), { code: 'ERR_TRANSFER' });
    isDown = false;
    const { names } = await download(handler, { transfer: { connections: 1 } });
    assert.deepEqual(names, ['restarted', 'unverified']);
    assert.deepEqual(readFileSync(target()), BODY);
  });

  it('starts over when the rest of a piece is answered so', async () => {
    let isCut = false;
    let isWrong = false;
    const { names } = await download(
      (exchange) => {
        const [begin] = rangeOf(exchange, BODY.length);
        if (begin > 500_000 && !isCut) {
          isCut = true;
          return send(exchange, BODY, { cutAfter: 100_000 });
        }
        // Pieces begin at multiples of their size, rests of them do not.
        if (begin % PIECE_BYTES === 0 || isWrong) return drip(exchange, BODY);
        isWrong = true;
        return drip(exchange, SHIFTED);
      },
      { transfer: SEGMENTED },
    );
    assert.ok(isWrong);
    assert.deepEqual(
      names.filter((name) => name !== 'connections'),
      ['retry', 'restarted', 'unverified'],
    );
    assert.deepEqual(readFileSync(target()), BODY);
  });

  it('refuses a server that never goes on rightly', async () => {
    const handler: Handler = (e) => (e.index % 2 === 0 ? send(e, BODY, CUT) : send(e, SHIFTED));
    await assert.rejects(download(handler), {
      code: 'ERR_TRANSFER_REFUSED',
      message: /too often: what the server goes on/,
    });
    assert.equal(existsSync(target()), false);
  });

  it('fetches no more than a few bytes before the cut again', async () => {
    const { names } = await download(goingOnWith(BODY));
    assert.deepEqual(names, ['retry', 'resumed', 'unverified']);
    assert.deepEqual(readFileSync(target()), BODY);
    assert.equal(servers[0].requests[1].headers.range, `bytes=${CUT.cutAfter - OVERLAP_BYTES}-`);
    assert.equal(servers[0].numBytesSent, BODY.length + OVERLAP_BYTES);
    assert.ok(servers[0].numBytesSent <= 1.05 * BODY.length);
  });

  it('fetches nothing again when a digest will tell', async () => {
    await download(goingOnWith(BODY), {}, { md5: md5Of(BODY) });
    assert.equal(servers[0].numBytesSent, BODY.length);
  });

  it('needs no new byte of a file that is all here and whose length was not known', async () => {
    const { names, bytes } = await download(async (exchange) => {
      const { response, index } = exchange;
      if (index > 0) return send(exchange, BODY);
      response.writeHead(200, { 'transfer-encoding': 'chunked', etag: '"v1"' });
      await new Promise<void>((resolve) => response.write(BODY, () => resolve()));
      response.socket?.destroySoon();
      return undefined;
    });
    assert.deepEqual(names, ['retry', 'resumed', 'unverified']);
    assert.equal(bytes, BODY.length);
    assert.equal(servers[0].requests[1].headers.range, `bytes=${BODY.length - OVERLAP_BYTES}-`);
  });

  it('starts over when the file became shorter than what is here, and its length was not known', async () => {
    const { names } = await download(async (exchange) => {
      const { response, index } = exchange;
      if (index > 0) return send(exchange, BODY.subarray(0, BODY.length - 1000));
      response.writeHead(200, { 'transfer-encoding': 'chunked', etag: '"v1"' });
      await new Promise<void>((resolve) => response.write(BODY, () => resolve()));
      response.socket?.destroySoon();
      return undefined;
    });
    assert.deepEqual(names, ['retry', 'restarted', 'unverified']);
    assert.deepEqual(readFileSync(target()), BODY.subarray(0, BODY.length - 1000));
  });
});
