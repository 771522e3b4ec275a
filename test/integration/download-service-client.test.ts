import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { createLogger } from '../../lib/platform/logger.js';
import { JobState } from '../../protos/gen/millrace/v1/download.js';
import { downloadThroughService } from '../../services/downloader/service/client.js';
import { DownloadServer } from '../../services/downloader/service/server.js';
import { archiveOf, downloadOne, FAST, listeningReporter } from '../fixtures/download-run.js';
import { testClient, type TestClient } from '../fixtures/download-service-client.js';
import { startGatedServer, type GatedServer } from '../fixtures/gated-server.js';
import { md5Of, noise } from '../fixtures/odd-server.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

const BODY = noise(2_000_000);
const MD5 = md5Of(BODY);

describe('a download through a service', () => {
  const folder = temporaryFolder();
  let server: GatedServer;
  let service: DownloadServer;
  let client: TestClient;

  beforeEach(async () => {
    server = await startGatedServer(BODY);
    const root = await mkdtemp(join(folder.path, 'root-'));
    const options = { root, port: 0, drainMs: 500, transfer: FAST, concurrency: 3, perHost: 3 };
    service = await DownloadServer.start(options, createLogger('test', 'silent'));
    client = testClient(service.address);
  });
  afterEach(async () => {
    client.close();
    await service.destroy();
    await server.close();
  });

  it('has the result, the events and the last progress that one in this process has', async () => {
    server.allow(Infinity);
    const archive = archiveOf('a.bin', [`${server.url}/a.bin`], { md5: MD5 });
    const here = await downloadOne(await mkdtemp(join(folder.path, 'here-')), archive);
    const reporter = listeningReporter();
    let last: unknown;
    reporter.progress = ({ done, total }) => (last = { done, total });
    const { archives } = await downloadThroughService({ service: service.address, archives: [archive], reporter });
    const { file, bytes, bytesFetched, md5, isVerified, resumedAt } = here;
    assert.deepEqual(
      archives.map((summary) => ({ ...summary, seconds: 0 })),
      [{ file, bytes, bytesFetched, md5, isVerified, resumedAt, seconds: 0 }],
    );
    assert.deepEqual(
      reporter.heard.filter(({ name }) => name === 'verified'),
      here.heard.filter(({ name }) => name === 'verified'),
    );
    assert.deepEqual(last, { done: BODY.length, total: BODY.length });
  });

  it('brings the others when one fails, and throws what the service says of it', async () => {
    server.allow(Infinity);
    const wrong = '0'.repeat(32);
    const reporter = listeningReporter();
    const run = downloadThroughService({
      service: service.address,
      archives: [
        archiveOf('bad.bin', [`${server.url}/bad.bin`], { md5: wrong }),
        archiveOf('worse.bin', [], { md5: wrong }),
        archiveOf('good.bin', [`${server.url}/good.bin`], { md5: MD5 }),
      ],
      reporter,
    });
    await assert.rejects(run, { code: 'ERR_VERIFICATION', message: new RegExp(`expected MD5 ${wrong}, found ${MD5}`) });
    const failed = reporter.heard.filter(({ name }) => name === 'failed');
    assert.deepEqual(
      failed.map(({ fields }) => [fields['file'], fields['code']]),
      [['worse.bin', 'ERR_NOT_FOUND']],
    );
    await client.untilState('good.bin', JobState.DONE);
  });

  it('leaves the download to the service when it is aborted', async () => {
    const controller = new AbortController();
    const run = downloadThroughService({
      service: service.address,
      archives: [archiveOf('a.bin', [`${server.url}/a.bin`], { md5: MD5 })],
      reporter: { ...listeningReporter(), progress: ({ done }) => done === 1_000_000 && controller.abort() },
      signal: controller.signal,
    });
    server.allow(1_000_000);
    await assert.rejects(run, { code: 'ERR_INTERRUPTED', message: /the service goes on/ });
    server.allow(Infinity);
    await client.untilState('a.bin', JobState.DONE);
  });

  it('says when somebody pauses it, and ends when somebody cancels it', async () => {
    const reporter = listeningReporter();
    const run = downloadThroughService({
      service: service.address,
      archives: [archiveOf('a.bin', [`${server.url}/a.bin`], { md5: MD5 })],
      reporter: {
        ...reporter,
        event: (name: string, text: string, fields?: Readonly<Record<string, unknown>>) => {
          reporter.event(name, text, fields);
          if (name === 'paused') void client.cancel('a.bin');
        },
        progress: ({ done }: { done: number }) => done === 1_000_000 && void client.pause('a.bin'),
      },
    });
    server.allow(1_000_000);
    await assert.rejects(run, { code: 'ERR_INTERRUPTED', message: /somebody cancelled it/ });
  });

  it('names the field that the service does not take', async () => {
    const archives = [archiveOf('a.bin', ['file:///etc/passwd'])];
    await assert.rejects(
      downloadThroughService({ service: service.address, archives, reporter: listeningReporter() }),
      { code: 'ERR_USAGE', field: 'urls' },
    );
  });

  it('fails, naming the service, when there is none', async () => {
    const gone = service.address;
    await service.destroy();
    const reporter = listeningReporter();
    const archives = [archiveOf('a.bin', [`${server.url}/a.bin`])];
    await assert.rejects(downloadThroughService({ service: gone, archives, reporter, maxAttempts: 2 }), {
      code: 'ERR_UNAVAILABLE',
      message: new RegExp(gone),
    });
    assert.deepEqual(
      reporter.heard.map(({ name }) => name),
      ['reconnect'],
    );
  });
});
