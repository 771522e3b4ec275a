import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { datasetSchema } from '../../lib/catalog/dataset-schema.js';
import { archivePath, archivesFolder } from '../../lib/platform/root-layout.js';
import { createArchiveServer } from '../../services/archive-server/archive-server.js';
import { downloadArchives, selectArchives } from '../../services/downloader/download-dataset.js';
import { downloadRoot } from '../fixtures/download-root.js';
import { archiveOf, downloadOne, FAST, listeningReporter } from '../fixtures/download-run.js';
import { md5Of, noise, send } from '../fixtures/odd-server.js';
import { oddServers } from '../fixtures/odd-servers.js';

const BODY = noise(3_000_000);
const MD5 = md5Of(BODY);
const EXPECTED = { bytes: BODY.length, md5: MD5 };

describe('downloading archives', () => {
  const root = downloadRoot();
  const { serve } = oddServers();

  const placed = (): Buffer => root.placed('images.tar');
  const place = (content: Buffer): void => root.place('images.tar', content);

  it('fetches, verifies and names an archive, and leaves nothing else but the proof', async () => {
    const server = await serve((exchange) => send(exchange, BODY));
    const summary = await downloadOne(root.path, archiveOf('images.tar', [`${server.url}/a`], EXPECTED));
    assert.deepEqual(placed(), BODY);
    assert.equal(summary.md5, MD5);
    assert.equal(summary.isVerified, true);
    assert.equal(summary.bytesFetched, BODY.length);
    assert.deepEqual(summary.names, ['verified']);
    assert.deepEqual(readdirSync(archivesFolder(root.path)).sort(), ['images.tar', 'images.tar.verified.json']);
    assert.equal(server.requests[0].headers['accept-encoding'], 'identity');
  });

  it('does nothing for an archive that was verified earlier', async () => {
    const server = await serve((exchange) => send(exchange, BODY));
    const archive = archiveOf('images.tar', [`${server.url}/a`], EXPECTED);
    await downloadOne(root.path, archive);
    const again = await downloadOne(root.path, archive);
    assert.equal(server.requests.length, 1);
    assert.equal(again.bytesFetched, 0);
    assert.deepEqual(again.names, []);
  });

  it('says that an archive without a known digest is not verified', async () => {
    const text = Buffer.from('a 1\nb 2\n');
    const server = await serve((exchange) => send(exchange, text));
    const summary = await downloadOne(root.path, archiveOf('list.txt', [`${server.url}/list.txt`]));
    assert.equal(summary.isVerified, false);
    assert.equal(summary.md5, md5Of(text));
    assert.deepEqual(summary.names, ['unverified']);
  });

  it('goes on where a cut transfer stopped, fetching nothing twice', async () => {
    place(BODY);
    const source = archivePath(root.path, 'images.tar');
    root.renew();
    const dataset = datasetSchema.parse({
      name: 'd',
      about: '',
      archives: [{ file: 'images.tar', ...EXPECTED }],
      splits: {},
    });
    const server = createArchiveServer({ dataset, files: new Map([['images.tar', source]]), cutFirstTransferAt: 0.5 });
    const baseUrl = await server.start();
    try {
      const reporter = listeningReporter();
      const selected = selectArchives(dataset, { baseUrl });
      const { archives } = await downloadArchives(selected, { root: root.path, reporter, transfer: FAST });
      const [summary] = archives;
      assert.deepEqual(placed(), BODY);
      assert.equal(summary.resumedAt.length, 1);
      assert.ok(summary.resumedAt[0] > 0.4 * BODY.length, `resumed at ${summary.resumedAt[0]}`);
      assert.ok(summary.bytesFetched <= 1.05 * BODY.length, `fetched ${summary.bytesFetched}`);
      assert.deepEqual(
        reporter.heard.map(({ name }) => name),
        ['retry', 'resumed', 'verified'],
      );
    } finally {
      await server.close();
    }
  });

  it('resumes in a later run after an abort, with the bytes that were flushed', async () => {
    const controller = new AbortController();
    const server = await serve(async (exchange) => {
      if (exchange.index > 0) return send(exchange, BODY);
      exchange.response.writeHead(200, { 'content-length': BODY.length, etag: '"v1"' });
      exchange.response.write(BODY.subarray(0, 1_000_000));
      return undefined;
    });
    const archive = archiveOf('images.tar', [`${server.url}/a`], EXPECTED);
    const reporter = listeningReporter();
    const run = downloadArchives([archive], {
      root: root.path,
      transfer: FAST,
      signal: controller.signal,
      reporter: { ...reporter, progress: ({ done }) => done === 1_000_000 && controller.abort() },
    });
    await assert.rejects(run, { code: 'ERR_INTERRUPTED' });
    assert.equal(existsSync(archivePath(root.path, 'images.tar')), false);
    const summary = await downloadOne(root.path, archive);
    assert.deepEqual(summary.resumedAt, [1_000_000]);
    assert.equal(server.requests[1].headers.range, 'bytes=1000000-');
    assert.equal(server.requests[1].headers['if-range'], '"v1"');
    assert.deepEqual(placed(), BODY);
  });

  it('follows redirects to another host, from the first URL again at every try', async () => {
    const tickets = new Set<string>();
    const storage = await serve(async (exchange) => {
      // Each ticket is good for one request.
      if (!tickets.delete(exchange.request.url ?? '')) exchange.response.writeHead(403).end();
      else await send(exchange, BODY, exchange.index === 0 ? { cutAfter: 1_000_000 } : {});
    });
    const front = await serve(({ response, index }) => {
      tickets.add(`/ticket-${index}`);
      response.writeHead(302, { location: `${storage.url}/ticket-${index}` }).end('moved');
    });
    const summary = await downloadOne(root.path, archiveOf('images.tar', [`${front.url}/a`], EXPECTED));
    assert.deepEqual(placed(), BODY);
    assert.equal(summary.resumedAt.length, 1);
    assert.equal(front.requests.length, 2);
  });

  it('goes on at the next source with the bytes of the one that failed, when the digest is known', async () => {
    const failing = await serve((exchange) => {
      if (exchange.index > 0) exchange.response.writeHead(503).end();
      else return send(exchange, BODY, { cutAfter: 1_000_000 });
      return undefined;
    });
    const mirror = await serve((exchange) => send(exchange, BODY, { etag: '"other"' }));
    const urls = [`${failing.url}/a`, `${mirror.url}/a`];
    const summary = await downloadOne(root.path, archiveOf('images.tar', urls, EXPECTED));
    assert.deepEqual(placed(), BODY);
    assert.equal(summary.resumedAt.length, 1);
    assert.equal(mirror.requests[0].headers['if-range'], undefined);
    assert.ok(summary.bytesFetched <= 1.05 * BODY.length);
  });

  it('starts over at the next source when no digest would tell whether the bytes belong together', async () => {
    const failing = await serve((exchange) => {
      if (exchange.index > 0) exchange.response.writeHead(503).end();
      else return send(exchange, BODY, { cutAfter: 1_000_000 });
      return undefined;
    });
    const mirror = await serve((exchange) => send(exchange, BODY));
    const urls = [`${failing.url}/a`, `${mirror.url}/a`];
    const summary = await downloadOne(root.path, archiveOf('images.bin', urls));
    assert.ok(summary.names.includes('restarted'));
    assert.match(mirror.requests[0].headers.range ?? '', /^bytes=0-/);
    assert.equal(mirror.requests[0].headers['if-range'], undefined);
    assert.equal(summary.md5, MD5);
  });

  it('fetches the other archives when one fails, and then throws its error', async () => {
    const server = await serve((exchange) => {
      if (exchange.request.url === '/bad') exchange.response.writeHead(404).end();
      else return send(exchange, BODY);
      return undefined;
    });
    const archives = [
      archiveOf('bad.tar', [`${server.url}/bad`]),
      archiveOf('images.tar', [`${server.url}/a`], EXPECTED),
    ];
    const run = downloadArchives(archives, { root: root.path, reporter: listeningReporter(), transfer: FAST });
    await assert.rejects(run, { code: 'ERR_TRANSFER_REFUSED' });
    assert.deepEqual(placed(), BODY);
  });

  it('lets one process a target fetch it, and the other one fail or wait', async () => {
    const held: (() => void)[] = [];
    const server = await serve(async (exchange) => {
      await new Promise<void>((resolve) => held.push(resolve));
      await send(exchange, BODY);
    });
    const archive = archiveOf('images.tar', [`${server.url}/a`], EXPECTED);
    const first = downloadOne(root.path, archive);
    while (held.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await assert.rejects(downloadOne(root.path, archive), { code: 'ERR_LOCKED' });
    const waiting = downloadOne(root.path, archive, { wait: true });
    held[0]();
    assert.equal((await first).bytesFetched, BODY.length);
    assert.equal((await waiting).bytesFetched, 0);
    assert.equal(server.requests.length, 1);
  });
});

describe('choosing archives', () => {
  const dataset = datasetSchema.parse({
    name: 'd',
    about: '',
    archives: [
      { file: 'a.tar', urls: ['https://a.example/a.tar'] },
      { file: 'b.tar', urls: ['https://a.example/b.tar'], optional: true },
    ],
    splits: {},
  });
  const chosen = (selection: Parameters<typeof selectArchives>[1]): string[] =>
    selectArchives(dataset, selection).map(({ file }) => file);

  it('leaves the optional ones out unless they are named or all are wanted', () => {
    assert.deepEqual(chosen({}), ['a.tar']);
    assert.deepEqual(chosen({ includeOptional: true }), ['a.tar', 'b.tar']);
    assert.deepEqual(chosen({ files: ['b.tar'] }), ['b.tar']);
  });

  it('replaces all sources by a base URL', () => {
    const [archive] = selectArchives(dataset, { baseUrl: 'http://mirror.example/sets/' });
    assert.deepEqual(archive.urls, ['http://mirror.example/sets/a.tar']);
  });

  it('names the archives that there are when one is asked for that is not', () => {
    assert.throws(() => chosen({ files: ['c.tar'] }), /no archive "c.tar"; it has a.tar, b.tar/);
  });
});
