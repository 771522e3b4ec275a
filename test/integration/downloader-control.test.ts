import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { createLogger } from '../../lib/platform/logger.js';
import { DownloadServer } from '../../services/downloader/service/server.js';
import { archiveOf, FAST } from '../fixtures/download-run.js';
import { testClient, type TestClient } from '../fixtures/download-service-client.js';
import { startGatedServer, type GatedServer } from '../fixtures/gated-server.js';
import { noise } from '../fixtures/odd-server.js';
import { runCommand } from '../fixtures/run-command.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

interface Result {
  readonly jobs: readonly { readonly file: string; readonly state: string }[];
  readonly bytesPerSecond: number;
}

describe('millrace downloader, telling a service what to do', () => {
  const folder = temporaryFolder();
  let server: GatedServer;
  let service: DownloadServer;
  let client: TestClient;

  beforeEach(async () => {
    server = await startGatedServer(noise(2_000_000));
    const root = await mkdtemp(join(folder.path, 'root-'));
    const options = { root, port: 0, drainMs: 500, transfer: FAST, concurrency: 1, perHost: 1 };
    service = await DownloadServer.start(options, createLogger('test', 'silent'));
    client = testClient(service.address);
    await client.add({
      datasetJson: JSON.stringify({
        name: 'archives',
        about: 'for a test',
        archives: ['a.bin', 'b.bin'].map((file) => archiveOf(file, [`${server.url}/${file}`])),
        splits: {},
      }),
    });
  });
  afterEach(async () => {
    client.close();
    await service.destroy();
    await server.close();
  });

  const run = (verb: string, ...args: string[]) =>
    runCommand('downloader', [verb, ...args, '--service', service.address, '--json']);
  const tell = async (verb: string, ...args: string[]): Promise<Result> => {
    const { code, stdout } = await run(verb, ...args);
    assert.equal(code, 0, stdout);
    return JSON.parse(stdout) as Result;
  };
  const statesOf = ({ jobs }: Result) => Object.fromEntries(jobs.map(({ file, state }) => [file, state]));

  it('lists, holds, lets go on and ends jobs, by name or all of them', async () => {
    assert.deepEqual(Object.keys(statesOf(await tell('list'))), ['a.bin', 'b.bin']);
    assert.deepEqual(statesOf(await tell('pause', 'b.bin')), { 'b.bin': 'paused' });
    assert.deepEqual(statesOf(await tell('pause')), { 'a.bin': 'paused' });
    assert.deepEqual(statesOf(await tell('list')), { 'a.bin': 'paused', 'b.bin': 'paused' });
    const { stdout } = await runCommand('downloader', ['list', '--service', service.address]);
    assert.match(stdout, /^a\.bin {2}paused {5}\S+ k?B.*\nb\.bin {2}paused {5}.*\n2 jobs, no limit of the rate\n$/);
    assert.deepEqual(Object.keys(statesOf(await tell('resume'))), ['a.bin', 'b.bin']);
    assert.deepEqual(statesOf(await tell('cancel', 'a.bin', 'b.bin')), { 'a.bin': 'cancelled', 'b.bin': 'cancelled' });
  });

  it('sets the rate, and lifts it', async () => {
    await tell('rate', '1.5M');
    assert.equal((await tell('list')).bytesPerSecond, 1_500_000);
    await tell('rate');
    assert.equal((await tell('list')).bytesPerSecond, 0);
  });

  it('says what is wrong: a job that there is not, a rate that is none, no service', async () => {
    assert.match((await run('pause', 'c.bin')).stdout, /ERR_NOT_FOUND.*c\.bin/);
    assert.equal((await run('rate', 'fast')).code, 2);
    assert.equal((await run('cancel')).code, 2);
    const { code, stdout } = await runCommand('downloader', ['list', '--service', '127.0.0.1:1', '--json']);
    assert.equal(code, 1);
    assert.match(stdout, /ERR_UNAVAILABLE/);
  });
});
