import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { archivePath } from '../../lib/platform/root-layout.js';
import { ByteRanges } from '../../services/downloader/byte-ranges.js';
import { readJournal } from '../../services/downloader/journal.js';
import { DEFAULT_TRANSFER_OPTIONS, segmentBytesOf } from '../../services/downloader/transfer-options.js';
import { downloadRoot } from '../fixtures/download-root.js';
import { archiveOf, downloadOne, SEGMENTED, type RunOptions } from '../fixtures/download-run.js';
import { drip, rangeOf, writeRangeHead } from '../fixtures/drip.js';
import { md5Of, noise, type Handler } from '../fixtures/odd-server.js';
import { oddServers } from '../fixtures/odd-servers.js';

const BODY = noise(4_000_000);
const OTHER = Buffer.from(BODY.map((byte) => byte ^ 0xff));
const EXPECTED = { bytes: BODY.length, md5: md5Of(BODY) };
/** Somewhere in a piece that is not the first. */
const SPOT = 2_000_000;
const PIECE_BYTES = segmentBytesOf({ ...DEFAULT_TRANSFER_OPTIONS, ...SEGMENTED });

type Exchange = Parameters<Handler>[0];

function holdsSpot(exchange: Exchange): boolean {
  const [begin, end] = rangeOf(exchange, BODY.length);
  return begin > 0 && begin <= SPOT && SPOT < end;
}

describe('downloading over several connections, when things go wrong', () => {
  const root = downloadRoot();
  const { servers, serve, closeAll } = oddServers();

  const download = async (handlers: readonly Handler[], options: RunOptions = {}) => {
    for (const handler of handlers.slice(servers.length)) await serve(handler);
    const archive = archiveOf(
      'images.bin',
      servers.map(({ url }) => `${url}/a`),
      EXPECTED,
    );
    return downloadOne(root.path, archive, { ...options, transfer: { ...SEGMENTED, ...options.transfer } });
  };
  const target = (): string => archivePath(root.path, 'images.bin');
  const placed = (): Buffer => readFileSync(target());
  const whatIsThere = async (): Promise<ByteRanges> => new ByteRanges((await readJournal(`${target()}.part`))?.ranges);

  it('tries a piece again that the server fails at, and keeps the others', async () => {
    let numFailures = 0;
    const { heard, bytesFetched } = await download([
      (exchange) => {
        if (!holdsSpot(exchange) || numFailures++ > 1) return drip(exchange, BODY);
        exchange.response.writeHead(500).end();
        return undefined;
      },
    ]);
    assert.deepEqual(placed(), BODY);
    const retries = heard.filter(({ name }) => name === 'retry');
    assert.equal(retries.length, 2);
    for (const { fields } of retries) {
      assert.equal(fields['file'], 'images.bin');
      assert.equal(fields['url'], `${servers[0].url}/a`);
      assert.match(String(fields['reason']), /500/);
    }
    assert.equal(bytesFetched, BODY.length);
  });

  it('gives up with what has come when one piece cannot be had, and fetches just the rest later', async () => {
    let isBroken = true;
    const handler: Handler = (exchange) => {
      if (!isBroken || !holdsSpot(exchange)) return drip(exchange, BODY);
      exchange.response.writeHead(500).end();
      return undefined;
    };
    await assert.rejects(download([handler]), { code: 'ERR_TRANSFER', isRetryable: true });
    assert.equal(existsSync(target()), false);
    const there = await whatIsThere();
    // Claimed in order, four at a time: when this one is, all before it are here but three.
    const numPieces = Math.floor(SPOT / PIECE_BYTES) - 3;
    assert.ok(there.numBytes >= numPieces * PIECE_BYTES, `${there.numBytes} bytes are there`);
    isBroken = false;
    const { bytesFetched } = await download([handler]);
    assert.equal(bytesFetched, BODY.length - there.numBytes);
    assert.deepEqual(placed(), BODY);
  });

  it('makes do with as many connections as the server allows', async () => {
    let numOpen = 0;
    let numRefused = 0;
    const { names } = await download([
      async (exchange) => {
        if (numOpen >= 2) {
          numRefused++;
          exchange.response.writeHead(503).end();
          return;
        }
        numOpen++;
        await drip(exchange, BODY).finally(() => numOpen--);
      },
    ]);
    assert.deepEqual(placed(), BODY);
    assert.ok(names.includes('busy'));
    // Found out once and kept to, not tried again and again.
    assert.ok(numRefused > 0 && numRefused < 10, `refused ${numRefused} times`);
  });

  for (const [title, changes] of Object.entries({
    'another range than asked for': { 'content-range': `bytes 5-9/${BODY.length}`, 'content-length': 5 },
    'no Content-Range': { 'content-range': '' },
    'several ranges': { 'content-range': '', 'content-type': 'multipart/byteranges; boundary=x' },
  })) {
    it(`asks again when a piece is answered with ${title}`, async () => {
      let numOdd = 0;
      const { names } = await download([
        (exchange) => {
          if (!holdsSpot(exchange) || numOdd++ > 0) return drip(exchange, BODY);
          writeRangeHead(exchange, BODY.length, changes);
          exchange.response.end();
          return undefined;
        },
      ]);
      assert.deepEqual(placed(), BODY);
      assert.ok(names.includes('retry'));
      assert.ok(!names.includes('restarted'));
    });
  }

  it('starts over, once, when the file changes in the middle', async () => {
    let isChanged = false;
    const { names } = await download([
      (exchange) => {
        if (holdsSpot(exchange)) isChanged = true;
        if (!isChanged) return drip(exchange, OTHER);
        // If-Range does not hold any more: all of the new file.
        if (exchange.request.headers['if-range'] === '"v1"') delete exchange.request.headers.range;
        return drip(exchange, BODY, { headers: { etag: '"v2"' } });
      },
    ]);
    assert.deepEqual(placed(), BODY);
    assert.equal(names.filter((name) => name === 'restarted').length, 1);
  });

  it('finds a piece with the right header and the wrong bytes, and says later where it was', async () => {
    let isWrong = true;
    const handler: Handler = (exchange) => drip(exchange, isWrong && holdsSpot(exchange) ? OTHER : BODY);
    await assert.rejects(download([handler]), { code: 'ERR_VERIFICATION' });
    assert.equal(existsSync(target()), false);
    isWrong = false;
    const { heard } = await download([handler]);
    assert.deepEqual(placed(), BODY);
    const ranges = heard.find(({ name }) => name === 'corrupt-compared')?.fields['ranges'] as [number, number][];
    assert.ok(new ByteRanges(ranges).gaps(BODY.length).length > 0, 'not all of it');
    assert.ok(ranges.some(([begin, end]) => begin <= SPOT && SPOT < end));
  });

  it('leaves out a mirror whose file has another length', async () => {
    const longer = Buffer.concat([BODY, BODY]);
    const { heard } = await download([(exchange) => drip(exchange, BODY), (exchange) => drip(exchange, longer)]);
    assert.deepEqual(placed(), BODY);
    const failed = heard.find(({ name }) => name === 'source-failed');
    assert.match(String(failed?.fields['message']), /other sources/);
  });

  it('leaves out a mirror that has no ranges', async () => {
    const { names } = await download([
      (exchange) => drip(exchange, BODY),
      (exchange) => {
        delete exchange.request.headers.range;
        return drip(exchange, BODY);
      },
    ]);
    assert.deepEqual(placed(), BODY);
    assert.deepEqual(names, ['connections', 'source-failed', 'verified']);
  });

  it('finds out which of two mirrors has wrong bytes of the right length', async () => {
    for (const order of [0, 1]) {
      root.renew();
      const handlers: Handler[] = [(exchange) => drip(exchange, BODY), (exchange) => drip(exchange, OTHER)];
      await closeAll();
      const { heard, names } = await download(order === 0 ? handlers : handlers.toReversed());
      assert.deepEqual(placed(), BODY);
      assert.ok(heard.some(({ name, fields }) => name === 'source-failed' && fields['code'] === 'ERR_VERIFICATION'));
      assert.ok(names.includes('corrupt-compared'));
    }
  });

  it('goes on without a mirror that fails, and with it again when it is back', async () => {
    const numAnswered = [0, 0];
    const failing: Handler = (exchange) => {
      numAnswered[0]++;
      if (numAnswered[0] < 3) exchange.response.destroy();
      else return drip(exchange, BODY);
      return undefined;
    };
    const { names } = await download([failing, (exchange) => (numAnswered[1]++, drip(exchange, BODY))]);
    assert.deepEqual(placed(), BODY);
    assert.ok(names.includes('retry'));
    assert.ok(numAnswered[0] >= 3 && numAnswered[1] > 0, String(numAnswered));
  });
});
