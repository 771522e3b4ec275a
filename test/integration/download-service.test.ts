import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { credentials, loadPackageDefinition, status, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { createLogger } from '../../lib/platform/logger.js';
import { packageRoot } from '../../lib/platform/package-root.js';
import { archivePath } from '../../lib/platform/root-layout.js';
import { JobState, type WatchResponse } from '../../protos/gen/millrace/v1/download.js';
import { DownloadServer, type DownloadServerOptions } from '../../services/downloader/service/server.js';
import { queuePath } from '../../services/downloader/service/queue-file.js';
import { FAST } from '../fixtures/download-run.js';
import { testClient, type TestClient } from '../fixtures/download-service-client.js';
import { startGatedServer, type GatedServer } from '../fixtures/gated-server.js';
import { md5Of, noise, send, startOddServer, type OddServer } from '../fixtures/odd-server.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

const BODY = noise(2_000_000);
const MD5 = md5Of(BODY);
const log = createLogger('test', 'silent');

describe('a download service', () => {
  const folder = temporaryFolder();
  let root: string;
  let service: DownloadServer;
  let client: TestClient;
  const toClose: { close(): Promise<void> | void }[] = [];

  async function start(options: Partial<DownloadServerOptions> = {}): Promise<void> {
    service = await DownloadServer.start({ root, port: 0, drainMs: 500, transfer: FAST, ...options }, log);
    client = testClient(service.address);
  }
  async function stop(): Promise<void> {
    client.close();
    await service.destroy();
  }
  async function gated(): Promise<GatedServer> {
    const server = await startGatedServer(BODY);
    toClose.push(server);
    return server;
  }
  async function odd(handler: Parameters<typeof startOddServer>[0]): Promise<OddServer> {
    const server = await startOddServer(handler);
    toClose.push(server);
    return server;
  }
  const placed = (file: string): Buffer => readFileSync(archivePath(root, file));

  beforeEach(async () => {
    root = await mkdtemp(join(folder.path, 'root-'));
    await start();
  });
  afterEach(async () => {
    await stop();
    for (const server of toClose.splice(0)) await server.close();
  });

  it('fetches a URL that it is given, and tells it from the first byte to the verified file', async () => {
    const server = await odd((exchange) => send(exchange, BODY));
    const [job] = await client.add({ url: `${server.url}/images.bin?ticket=1`, md5: MD5.toUpperCase() });
    assert.equal(job.file, 'images.bin');
    const states: JobState[] = [];
    const events: string[] = [];
    for await (const { job: now, event } of client.watch('images.bin') as AsyncIterable<WatchResponse>) {
      if (now !== undefined) states.push(now.state);
      if (event !== undefined) events.push(event.name);
    }
    assert.equal(states.at(-1), JobState.DONE);
    assert.ok(events.includes('verified'), events.join());
    assert.deepEqual(placed('images.bin'), BODY);
    const { jobs } = await client.list();
    assert.equal(jobs.length, 1);
    assert.deepEqual(
      { ...jobs[0].result, seconds: 0 },
      {
        bytes: BODY.length,
        md5: MD5,
        isVerified: true,
        bytesFetched: BODY.length,
        resumedAt: [],
        seconds: 0,
      },
    );
  });

  it('fetches those archives of a dataset that are asked for, from a mirror', async () => {
    const server = await odd((exchange) => send(exchange, BODY));
    const dataset = {
      name: 'own',
      about: 'of a test',
      archives: [{ file: 'a.bin', md5: MD5 }, { file: 'b.bin' }, { file: 'c.bin', md5: MD5, optional: true }],
      splits: {},
    };
    const jobs = await client.add({
      datasetJson: JSON.stringify(dataset),
      files: ['a.bin', 'c.bin'],
      baseUrl: `${server.url}/mirror/`,
    });
    assert.deepEqual(
      jobs.map(({ file }) => file),
      ['a.bin', 'c.bin'],
    );
    for (const { file } of jobs) await client.untilState(file, JobState.DONE);
    assert.deepEqual(new Set(server.requests.map(({ path }) => path)), new Set(['/mirror/a.bin', '/mirror/c.bin']));
  });

  it('has one job for an archive, however often it is asked for', async () => {
    const server = await gated();
    const request = { url: `${server.url}/a.bin`, md5: MD5 };
    await Promise.all([client.add(request), client.add(request)]);
    await client.untilState('a.bin', JobState.ACTIVE);
    await client.add({ ...request, priority: 3 });
    server.allow(Infinity);
    await client.untilState('a.bin', JobState.DONE);
    const [again] = await client.add(request);
    assert.equal(again.state, JobState.DONE);
    assert.equal(again.priority, 3);
    assert.equal((await client.list()).jobs.length, 1);
    assert.equal(server.numBytesSent, BODY.length);
  });

  it('fetches an archive again that was done and is gone', async () => {
    const server = await gated();
    server.allow(Infinity);
    const request = { url: `${server.url}/a.bin`, md5: MD5 };
    await client.add(request);
    await client.untilState('a.bin', JobState.DONE);
    rmSync(archivePath(root, 'a.bin'));
    await client.add(request);
    await client.untilState('a.bin', JobState.DONE);
    assert.deepEqual(placed('a.bin'), BODY);
  });

  it('keeps what has come of a job that is paused, and goes on there', async () => {
    const server = await gated();
    await client.add({ url: `${server.url}/a.bin`, md5: MD5 });
    server.allow(1_000_000);
    await client.until('a.bin', ({ bytesDone }) => bytesDone === 1_000_000);
    const [paused] = await client.pause('a.bin');
    assert.equal(paused.state, JobState.PAUSED);
    server.allow(Infinity);
    const [resumed] = await client.resume();
    assert.notEqual(resumed.state, JobState.PAUSED);
    const done = await client.untilState('a.bin', JobState.DONE);
    assert.ok(done.result!.resumedAt.length > 0);
    assert.equal(server.numBytesSent, BODY.length);
    assert.deepEqual(placed('a.bin'), BODY);
  });

  it('does not fetch what is paused or cancelled before its turn', async () => {
    await stop();
    await start({ concurrency: 1 });
    const server = await gated();
    for (const file of ['a', 'b', 'c', 'd']) await client.add({ url: `${server.url}/${file}`, md5: MD5 });
    await client.untilState('a', JobState.ACTIVE);
    await client.pause('b');
    await client.cancel('c');
    server.allow(Infinity);
    await client.untilState('d', JobState.DONE);
    assert.deepEqual(new Set(server.paths), new Set(['/a', '/d']));
    assert.deepEqual(
      (await client.list()).jobs.map(({ state }) => state),
      [JobState.DONE, JobState.PAUSED, JobState.CANCELLED, JobState.DONE],
    );
  });

  it('stops a job that is cancelled, and goes on where it stopped when it is asked for again', async () => {
    const server = await gated();
    const request = { url: `${server.url}/a.bin`, md5: MD5 };
    await client.add(request);
    server.allow(1_000_000);
    await client.until('a.bin', ({ bytesDone }) => bytesDone === 1_000_000);
    const [cancelled] = await client.cancel('a.bin');
    assert.equal(cancelled.state, JobState.CANCELLED);
    assert.equal(existsSync(archivePath(root, 'a.bin')), false);
    server.allow(Infinity);
    await client.add(request);
    await client.untilState('a.bin', JobState.DONE);
    assert.equal(server.numBytesSent, BODY.length);
  });

  it('holds to the rate that it is set, until it is set another', async () => {
    const server = await gated();
    server.allow(Infinity);
    await client.setRate(1);
    assert.equal((await client.list()).bytesPerSecond, 1);
    await client.add({ url: `${server.url}/a.bin`, md5: MD5 });
    await client.until('a.bin', ({ bytesDone }) => bytesDone > 0 && bytesDone < BODY.length);
    await stop();
    await start();
    assert.equal((await client.list()).bytesPerSecond, 1);
    await client.setRate(0);
    await client.untilState('a.bin', JobState.DONE);
  });

  it('takes the job with the highest priority first, the first added among equals', async () => {
    await stop();
    await start({ concurrency: 1 });
    const server = await gated();
    await client.add({ url: `${server.url}/first`, md5: MD5 });
    await client.untilState('first', JobState.ACTIVE);
    await client.add({ url: `${server.url}/low`, md5: MD5, priority: -1 });
    await client.add({ url: `${server.url}/usual`, md5: MD5 });
    await client.add({ url: `${server.url}/usual-too`, md5: MD5 });
    await client.add({ url: `${server.url}/raised`, md5: MD5 });
    await client.add({ url: `${server.url}/raised`, md5: MD5, priority: 7 });
    server.allow(Infinity);
    await client.untilState('low', JobState.DONE);
    assert.deepEqual([...new Set(server.paths)], ['/first', '/raised', '/usual', '/usual-too', '/low']);
  });

  it('leaves a host in peace that has as many transfers as it may have, and goes on with another', async () => {
    await stop();
    await start({ concurrency: 3, perHost: 1 });
    const [busy, free] = [await gated(), await gated()];
    await client.add({ url: `${busy.url}/a`, md5: MD5 });
    await client.add({ url: `${busy.url}/b`, md5: MD5, priority: 1 });
    await client.add({ url: `${free.url}/c`, md5: MD5 });
    free.allow(Infinity);
    await client.untilState('c', JobState.DONE);
    assert.deepEqual(new Set(busy.paths), new Set(['/a']));
    busy.allow(Infinity);
    await client.untilState('b', JobState.DONE);
  });

  it('says why a job failed, and takes it up again when it is resumed', async () => {
    let isThere = false;
    const server = await odd((exchange) =>
      isThere ? send(exchange, BODY) : void exchange.response.writeHead(404).end('gone'),
    );
    await client.add({ url: `${server.url}/a.bin`, md5: MD5 });
    const failed = await client.untilState('a.bin', JobState.FAILED);
    assert.equal(failed.error?.code, 'ERR_TRANSFER_REFUSED');
    assert.match(failed.error.message, /404/);
    isThere = true;
    await client.resume('a.bin');
    await client.untilState('a.bin', JobState.DONE);
  });

  it('watches all jobs, later ones too, until it goes away, and goes on with its queue when it is back', async () => {
    const server = await gated();
    const call = client.watch();
    const heard = (async () => {
      const files = new Set<string>();
      for await (const { job } of call as AsyncIterable<WatchResponse>) if (job !== undefined) files.add(job.file);
      return files;
    })();
    const ended = assert.rejects(heard, { code: status.UNAVAILABLE });
    await client.add({ url: `${server.url}/a.bin`, md5: MD5 });
    server.allow(1_000_000);
    await client.until('a.bin', ({ bytesDone }) => bytesDone === 1_000_000);
    await stop();
    await ended;
    assert.equal(existsSync(archivePath(root, 'a.bin.lock')), false);

    server.allow(Infinity);
    await start();
    await client.untilState('a.bin', JobState.DONE);
    assert.equal(server.numBytesSent, BODY.length);
    assert.deepEqual(placed('a.bin'), BODY);
  });

  it('is alone with its queue', async () => {
    await assert.rejects(DownloadServer.start({ root, port: 0 }, log), { code: 'ERR_LOCKED' });
  });

  it('does not begin with an empty queue when it cannot understand the one it has', async () => {
    await stop();
    writeFileSync(queuePath(root), '{"formatVersion": 99}');
    await assert.rejects(DownloadServer.start({ root, port: 0 }, log), {
      code: 'ERR_OPTIONS_DIFFER',
      message: /queue\.json is not a queue .* move it away/,
    });
    rmSync(queuePath(root));
    await start();
  });

  it('binds another address than loopback only with TLS or when told', async () => {
    const open = { root, host: '0.0.0.0', port: 0 };
    await assert.rejects(DownloadServer.start(open, log), { code: 'ERR_USAGE', message: /--host/ });
  });

  it('answers health checks, lists itself by reflection, and counts what came', async () => {
    await stop();
    await start({ metricsPort: 0 });
    const server = await odd((exchange) => send(exchange, BODY, exchange.index === 0 ? { cutAfter: 1_000_000 } : {}));
    await client.add({ url: `${server.url}/a.bin`, md5: MD5 });
    await client.untilState('a.bin', JobState.DONE);
    const text = await (await fetch(`http://127.0.0.1:${service.metricsPort}/metrics`)).text();
    const valueOf = (metric: string): number =>
      Number(
        text
          .split('\n')
          .find((line) => line.startsWith(`${metric} `))
          ?.split(' ')[1],
      );
    assert.equal(valueOf('millrace_download_bytes_total'), BODY.length);
    assert.equal(valueOf('millrace_download_completed_bytes'), BODY.length);
    assert.equal(valueOf('millrace_download_jobs{state="done"}'), 1);
    assert.equal(valueOf('millrace_download_active'), 0);
    assert.equal(valueOf('millrace_download_retries_total{reason="connection"}'), 1);
    assert.deepEqual(await listedServices(service.address), ['grpc.health.v1.Health', 'millrace.v1.DownloadService']);
  });

  describe('refuses', () => {
    const url = 'http://127.0.0.1:9/a.bin';
    const cases: [string, Parameters<TestClient['add']>[0], RegExp][] = [
      ['a request for nothing', {}, /^source: expected dataset, dataset_json or url/],
      [
        'a dataset that it does not know',
        { dataset: 'nope' },
        /^dataset: unknown "nope"; expected one of .*imagenette/,
      ],
      [
        'a dataset name that is a file of its machine',
        { dataset: '/etc/x.json' },
        /^dataset: unknown "\/etc\/x\.json"/,
      ],
      ['a dataset that is none', { datasetJson: '{"name": "x"}' }, /^dataset_json .*archives: /s],
      ['a file that the dataset does not have', { dataset: 'imagenette', files: ['x'] }, /^files: imagenette has no/],
      ['a base URL that is none', { dataset: 'imagenette', baseUrl: 'ftp://x' }, /^base_url: expected an http/],
      ['a digest for a dataset', { dataset: 'imagenette', md5: MD5 }, /^md5: goes with url/],
      ['a URL that is none', { url: 'images' }, /^url: expected an http or https URL/],
      ['a URL of its own disk', { url: 'file:///etc/passwd' }, /^url: expected an http or https URL/],
      ['a URL without a file name', { url: 'http://127.0.0.1:9/' }, /^url: .* ends in a file name/],
      ['a file name that leaves its folder', { url: 'http://127.0.0.1:9/..%2fa' }, /^url: .* ends in a file name/],
      ['a digest that is none', { url, md5: 'abc' }, /^md5: expected 32 hex digits/],
      ['files with a URL', { url, files: ['a'] }, /^url: files, include_optional and base_url/],
    ];
    for (const [what, request, message] of cases) {
      it(what, async () => {
        await assert.rejects(client.add(request), (error: ServiceError) => {
          assert.equal(error.code, status.INVALID_ARGUMENT, error.message);
          assert.match(error.details, message);
          return true;
        });
        assert.deepEqual((await client.list()).jobs, []);
      });
    }

    it('a dataset with an archive of its own disk', async () => {
      const archives = [{ file: 'a.bin', urls: ['file:///etc/passwd'] }];
      const datasetJson = JSON.stringify({ name: 'own', about: '', archives, splits: {} });
      await assert.rejects(client.add({ datasetJson }), { code: status.INVALID_ARGUMENT });
    });

    it('jobs that there are not', async () => {
      for (const call of [
        client.pause('x'),
        client.resume('x'),
        client.cancel('x'),
        client.untilState('x', JobState.DONE),
      ]) {
        await assert.rejects(call, { code: status.NOT_FOUND, details: /^files: no job "x"/ });
      }
      await assert.rejects(client.cancel(), { code: status.INVALID_ARGUMENT, details: /^files: / });
    });

    it('an archive that is on its way, or there, with another digest', async () => {
      const server = await gated();
      const wrong = {
        url: `${server.url}/a.bin`,
        md5: MD5.replace(/^./, 'x').replace('x', MD5.startsWith('0') ? '1' : '0'),
      };
      await client.add({ url: `${server.url}/a.bin`, md5: MD5 });
      await assert.rejects(client.add(wrong), { code: status.FAILED_PRECONDITION, details: /cancel that job first/ });
      server.allow(Infinity);
      await client.untilState('a.bin', JobState.DONE);
      await assert.rejects(client.add(wrong), { code: status.FAILED_PRECONDITION, details: /remove that file first/ });
      assert.deepEqual(placed('a.bin'), BODY);
    });
  });
});

interface ReflectionClient {
  ServerReflectionInfo(): NodeJS.EventEmitter & { write(request: unknown): void; end(): void };
  close(): void;
}

/** Without the reflection service itself, sorted. */
async function listedServices(address: string): Promise<string[]> {
  const definition = loadSync('grpc/reflection/v1/reflection.proto', {
    includeDirs: [join(packageRoot(), 'node_modules/@grpc/reflection/build/proto')],
  });
  const loaded = loadPackageDefinition(definition) as unknown as {
    grpc: { reflection: { v1: { ServerReflection: new (...args: unknown[]) => ReflectionClient } } };
  };
  const asking = new loaded.grpc.reflection.v1.ServerReflection(address, credentials.createInsecure());
  const call = asking.ServerReflectionInfo();
  call.write({ listServices: '' });
  const answer = await new Promise<{ listServicesResponse: { service: { name: string }[] } }>((resolve, reject) => {
    call.once('data', resolve).once('error', reject);
  });
  call.end();
  asking.close();
  return answer.listServicesResponse.service
    .map(({ name }) => name)
    .filter((name) => !name.startsWith('grpc.reflection'))
    .sort();
}
