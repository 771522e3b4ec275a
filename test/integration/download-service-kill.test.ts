import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { archivePath } from '../../lib/platform/root-layout.js';
import { JobState } from '../../protos/gen/millrace/v1/download.js';
import { downloadThroughService } from '../../services/downloader/service/client.js';
import { archiveOf, listeningReporter } from '../fixtures/download-run.js';
import { testClient, type TestClient } from '../fixtures/download-service-client.js';
import { startGatedServer, type GatedServer } from '../fixtures/gated-server.js';
import { md5Of, noise } from '../fixtures/odd-server.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

const COMMAND = fileURLToPath(new URL('../fixtures/command-process.js', import.meta.url));
const PROGRAM = fileURLToPath(new URL('../fixtures/downloader-process.js', import.meta.url));
const BODY = noise(24_000_000);
const MD5 = md5Of(BODY);

describe('a download service, when its process is killed', () => {
  const folder = temporaryFolder();
  let server: GatedServer;
  let child: ChildProcess;
  let client: TestClient;
  let address: string;

  /** On the port of the one before, when `port` says so. */
  async function start(root: string, port = 0): Promise<void> {
    child = spawn(process.execPath, [PROGRAM, root, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
    [address] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
    client = testClient(address);
  }
  async function end(signal: NodeJS.Signals): Promise<void> {
    client.close();
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  beforeEach(async () => {
    server = await startGatedServer(BODY);
  });
  afterEach(async () => {
    await end('SIGKILL');
    await server.close();
  });

  it('goes on by itself in the middle of a transfer, fetching next to nothing twice', async () => {
    const root = join(folder.path, 'middle');
    await start(root);
    await client.setRate(1e12);
    await client.add({ url: `${server.url}/a.bin`, md5: MD5 });
    server.allow(15_000_000);
    await client.until('a.bin', ({ bytesDone }) => bytesDone === 15_000_000);
    await end('SIGKILL');
    assert.equal(existsSync(archivePath(root, 'a.bin')), false);

    server.allow(Infinity);
    await start(root);
    const { result } = await client.untilState('a.bin', JobState.DONE);
    assert.ok(result!.resumedAt.length > 0);
    assert.ok(server.numBytesSent <= 1.05 * BODY.length, `${server.numBytesSent} bytes served`);
    assert.ok(BODY.equals(readFileSync(archivePath(root, 'a.bin'))));
    assert.equal((await client.list()).bytesPerSecond, 1e12);
  });

  it('has what it answered for, however soon it is killed', async () => {
    const root = join(folder.path, 'soon');
    await start(root);
    for (const file of ['a', 'b', 'c']) await client.add({ url: `${server.url}/${file}`, md5: MD5 });
    await client.pause('b');
    await client.cancel('c');
    await end('SIGKILL');
    await start(root);
    assert.deepEqual(
      (await client.list()).jobs.map(({ file, state }) => [file, state]),
      [
        ['a', JobState.ACTIVE],
        ['b', JobState.PAUSED],
        ['c', JobState.CANCELLED],
      ],
    );
  });

  it('ends in order at SIGTERM, run by its command, and keeps its queue and every byte', async () => {
    const root = join(folder.path, 'ordered');
    const args = [COMMAND, 'downloader', 'serve', '--root', root, '--port', '0', '--json', '--per-host', '1'];
    child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
    client = testClient((JSON.parse(line) as { address: string }).address);
    await client.add({ url: `${server.url}/a.bin`, md5: MD5 });
    server.allow(5_000_000);
    await client.until('a.bin', ({ bytesDone }) => bytesDone === 5_000_000);
    await end('SIGTERM');
    assert.equal(child.exitCode, 0);

    server.allow(Infinity);
    await start(root);
    await client.untilState('a.bin', JobState.DONE);
    assert.equal(server.numBytesSent, BODY.length);
  });

  it('is waited for by a client that watches, who is then told the rest', async () => {
    const root = join(folder.path, 'watched');
    await start(root);
    const reporter = listeningReporter();
    const archives = [archiveOf('a.bin', [`${server.url}/a.bin`], { md5: MD5 })];
    const reconnecting = new Promise<void>((resolve) => {
      reporter.event = (name) => name === 'reconnect' && resolve();
    });
    const download = downloadThroughService({ service: address, archives, reporter });
    server.allow(5_000_000);
    await new Promise<void>((resolve) => {
      reporter.progress = ({ done }) => done === 5_000_000 && resolve();
    });
    await end('SIGKILL');
    await reconnecting;
    server.allow(Infinity);
    await start(root, Number(address.split(':')[1]));
    const [summary] = (await download).archives;
    assert.equal(summary.md5, MD5);
    assert.ok(summary.resumedAt.length > 0);
  });
});
