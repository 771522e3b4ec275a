import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { archivePath } from '../../lib/platform/root-layout.js';
import { ByteRanges } from '../../services/downloader/byte-ranges.js';
import { readJournal } from '../../services/downloader/journal.js';
import { createRateLimit } from '../../services/downloader/rate-limit.js';
import { downloadRoot } from '../fixtures/download-root.js';
import { archiveOf, downloadOne, SEGMENTED, type RunOptions } from '../fixtures/download-run.js';
import { drip, rangeOf, writeRangeHead } from '../fixtures/drip.js';
import { md5Of, noise, send, type Handler, type OddServer } from '../fixtures/odd-server.js';
import { oddServers } from '../fixtures/odd-servers.js';

const BODY = noise(6_000_000);
const EXPECTED = { bytes: BODY.length, md5: md5Of(BODY) };
const FIRST = 'bytes=0-262143';

type Exchange = Parameters<Handler>[0];

describe('downloading over several connections', () => {
  const root = downloadRoot();
  const { serve } = oddServers();

  const download = (urls: readonly string[], options: RunOptions = {}, expected: object = EXPECTED) =>
    downloadOne(root.path, archiveOf('images.bin', urls, expected), {
      ...options,
      transfer: { ...SEGMENTED, ...options.transfer },
    });
  const placed = (): Buffer => root.placed('images.bin');
  const rangesOf = (server: OddServer): (string | undefined)[] => server.requests.map(({ headers }) => headers.range);

  it('asks for a first piece, and when that comes as asked for others at once', async () => {
    let numOpen = 0;
    let maxOpen = 0;
    const server = await serve(async (exchange) => {
      maxOpen = Math.max(maxOpen, ++numOpen);
      await drip(exchange, BODY).finally(() => numOpen--);
    });
    const { names, bytesFetched } = await download([`${server.url}/a`]);
    assert.deepEqual(placed(), BODY);
    assert.deepEqual(rangesOf(server).slice(0, 2), [FIRST, 'bytes=262144-524287']);
    assert.ok(rangesOf(server).length > 4);
    assert.ok(maxOpen > 2 && maxOpen <= 4, `${maxOpen} at once`);
    assert.deepEqual(names, ['connections', 'verified']);
    assert.equal(bytesFetched, BODY.length);
    for (const { headers } of server.requests.slice(1)) assert.equal(headers['if-range'], '"v1"');
  });

  it('keeps to one connection below the size that is worth more', async () => {
    const server = await serve((exchange) => drip(exchange, BODY));
    await download([`${server.url}/a`], { transfer: { minSegmentedBytes: BODY.length + 1 } });
    assert.deepEqual(rangesOf(server), [undefined]);
  });

  it('keeps to one connection when that is fast enough', async () => {
    const server = await serve((exchange) => drip(exchange, BODY));
    await download([`${server.url}/a`], { transfer: { enoughBytesPerSecond: 0 } });
    assert.deepEqual(placed(), BODY);
    assert.deepEqual(rangesOf(server), [FIRST, `bytes=262144-${BODY.length - 1}`]);
  });

  it('takes the whole file at once from a server that does not heed ranges', async () => {
    const server = await serve((e) => send(e, BODY, { ignoresRange: true }));
    await download([`${server.url}/a`]);
    assert.deepEqual(placed(), BODY);
    assert.deepEqual(rangesOf(server), [FIRST]);
  });

  for (const [title, answer] of Object.entries<Handler>({
    'are not right': (e) => drip(e, BODY, { headers: { 'content-range': `bytes 5-9/${BODY.length}` } }),
    'cannot be had': ({ response }) => void response.writeHead(416).end(),
    'are encoded': (e) => drip(e, BODY, { headers: { 'content-encoding': 'gzip' } }),
  })) {
    it(`asks for the whole file when ranges ${title}`, async () => {
      const server = await serve((e) => (e.request.headers.range === undefined ? drip(e, BODY) : answer(e)));
      const { names } = await download([`${server.url}/a`]);
      assert.deepEqual(placed(), BODY);
      assert.deepEqual(names, ['verified']);
      assert.deepEqual(rangesOf(server), [FIRST, undefined]);
    });
  }

  it('takes an empty file whose first byte cannot be had', async () => {
    const empty = Buffer.alloc(0);
    const server = await serve((exchange) => send(exchange, empty));
    await download([`${server.url}/a`], {}, { md5: md5Of(empty) });
    assert.deepEqual(placed(), empty);
  });

  it('uses several connections without a digest when a strong validator holds the pieces together', async () => {
    const server = await serve((exchange) => drip(exchange, BODY));
    const { names, md5 } = await download([`${server.url}/a`], {}, {});
    assert.deepEqual(names, ['connections', 'unverified']);
    assert.equal(md5, EXPECTED.md5);
  });

  it('keeps to one connection when nothing would prove that the pieces belong together', async () => {
    const server = await serve((exchange) => send(exchange, BODY, { etag: 'W/"v1"' }));
    await download([`${server.url}/a`], {}, {});
    assert.deepEqual(placed(), BODY);
    assert.deepEqual(rangesOf(server), [FIRST, undefined]);
  });

  it('takes over what a slow connection has left', async () => {
    let slow: Exchange | undefined;
    const server = await serve(async (exchange) => {
      // The second piece never gets further than its first bytes.
      if (exchange.index !== 1) return drip(exchange, BODY);
      slow = exchange;
      const [begin] = rangeOf(exchange, BODY.length);
      writeRangeHead(exchange, BODY.length);
      exchange.response.write(BODY.subarray(begin, begin + 10));
      return undefined;
    });
    // Nobody waits for it to stall.
    const transfer = { windowBytes: 24 << 20, connections: 4, stallWindowMs: 3_600_000 };
    await download([`${server.url}/a`], { transfer });
    assert.ok(slow !== undefined);
    assert.deepEqual(placed(), BODY);
    const [slowBegin, slowEnd] = rangeOf(slow, BODY.length);
    const isInside = rangesOf(server).some((range) => {
      const begin = Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1] ?? -1);
      return begin > slowBegin && begin < slowEnd;
    });
    assert.ok(isInside, 'somebody asked for a part of its piece');
  });

  it('goes on in a later run with every piece that has come, and re-reads nothing that was hashed', async () => {
    const controller = new AbortController();
    const server = await serve((exchange) => drip(exchange, BODY));
    const run = download([`${server.url}/a`], {
      signal: controller.signal,
      onProgress: ({ done }) => done > 3_000_000 && controller.abort(),
    });
    await assert.rejects(run, { code: 'ERR_INTERRUPTED' });
    const partPath = `${archivePath(root.path, 'images.bin')}.part`;
    const journal = (await readJournal(partPath))!;
    const there = new ByteRanges(journal.ranges);
    assert.ok(there.numBytes > 2_900_000, `${there.numBytes} bytes are there`);
    assert.ok(journal.hashedBytes > 0);
    assert.ok(there.end - journal.hashedBytes <= SEGMENTED.windowBytes + (1 << 20));
    const { bytesFetched, resumedAt, names } = await download([`${server.url}/a`]);
    assert.deepEqual(placed(), BODY);
    assert.equal(bytesFetched, BODY.length - there.numBytes);
    assert.deepEqual(resumedAt, [there.gaps(BODY.length)[0][0]]);
    assert.equal(names[0], 'resumed');
  });

  it('uses mirrors at once, and each for what it is worth', async () => {
    const mirrors = [await serve((exchange) => drip(exchange, BODY)), await serve((exchange) => drip(exchange, BODY))];
    await download(mirrors.map(({ url }) => `${url}/a`));
    assert.deepEqual(placed(), BODY);
    for (const { numBytesSent } of mirrors) assert.ok(numBytesSent > 0);
  });

  it('leaves a mirror that is much slower than another one to itself, once it is known', async () => {
    const fast = await serve((exchange) => drip(exchange, BODY));
    const slow = await serve(async (exchange) => {
      const { response } = exchange;
      const [begin, end] = rangeOf(exchange, BODY.length);
      writeRangeHead(exchange, BODY.length);
      // Far above the rate that would be a stall, and an hour for a piece.
      for (let at = begin; at < end && !response.destroyed; at += 50) {
        await new Promise<void>((resolve) => response.write(BODY.subarray(at, at + 50), () => setTimeout(resolve, 20)));
      }
    });
    await download([`${slow.url}/a`, `${fast.url}/a`]);
    assert.deepEqual(placed(), BODY);
    // Half of the connections before that, and none after.
    assert.ok(slow.requests.length <= 2, `${slow.requests.length} requests`);
  });

  it('keeps to a limit of the rate over all connections', async () => {
    const server = await serve((exchange) => drip(exchange, BODY));
    const begunAtMs = performance.now();
    await download([`${server.url}/a`], { rateLimit: createRateLimit(12_000_000) });
    // Half a second's worth, less what may be caught up on and the last pieces, which are paid for by those that follow.
    assert.ok(performance.now() - begunAtMs >= 200);
    assert.deepEqual(placed(), BODY);
  });

  it('tells how far each file is, and how often it was tried again', async () => {
    const server = await serve((e) => (e.index === 0 ? send(e, BODY, { cutAfter: 100_000 }) : drip(e, BODY)));
    const parts: unknown[] = [];
    await download([`${server.url}/a`], { onProgress: (progress) => void parts.push(...(progress.parts ?? [])) });
    const last = parts.at(-1) as Record<string, unknown>;
    assert.equal(last['name'], 'images.bin');
    assert.equal(last['done'], BODY.length);
    assert.equal(last['total'], BODY.length);
    assert.equal(last['numRetries'], 1);
    assert.ok(parts.some((part) => Number((part as Record<string, unknown>)['rate']) > 0));
  });

  it('sets the room aside first when asked to', async () => {
    const server = await serve((exchange) => drip(exchange, BODY));
    await download([`${server.url}/a`], { transfer: { preallocate: true } });
    assert.deepEqual(placed(), BODY);
    assert.equal(existsSync(`${archivePath(root.path, 'images.bin')}.part`), false);
  });
});
