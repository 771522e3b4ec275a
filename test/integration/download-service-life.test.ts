import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { credentials, loadPackageDefinition, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { packageRoot } from '../../lib/platform/package-root.js';
import { archivePath } from '../../lib/platform/root-layout.js';
import { JobState, type WatchResponse } from '../../protos/gen/millrace/v1/download.js';
import { queuePath } from '../../services/downloader/service/queue-file.js';
import { DownloadServer } from '../../services/downloader/service/server.js';
import { startMillrace } from '../fixtures/cli.js';
import { BODY, downloadService, log, MD5 } from '../fixtures/download-service.js';
import { send } from '../fixtures/odd-server.js';

describe('a download service, from its start to its end', () => {
  const service = downloadService();

  it('watches all jobs, later ones too, until it goes away, and goes on with its queue when it is back', async () => {
    const server = await service.gated();
    const call = service.client.watch();
    const heard = (async () => {
      const files = new Set<string>();
      for await (const { job } of call as AsyncIterable<WatchResponse>) if (job !== undefined) files.add(job.file);
      return files;
    })();
    const ended = assert.rejects(heard, { code: status.UNAVAILABLE });
    await service.client.add({ url: `${server.url}/a.bin`, md5: MD5 });
    server.allow(1_000_000);
    await service.client.until('a.bin', ({ bytesDone }) => bytesDone === 1_000_000);
    await service.stop();
    await ended;
    assert.equal(existsSync(archivePath(service.root, 'a.bin.lock')), false);

    server.allow(Infinity);
    await service.start();
    await service.client.untilState('a.bin', JobState.DONE);
    assert.equal(server.numBytesSent, BODY.length);
    assert.deepEqual(service.placed('a.bin'), BODY);
  });

  it('ends though a watcher is suspended', async () => {
    await service.restart({ drainMs: 3_600_000 });
    const server = await service.gated();
    const url = `${server.url}/a.bin`;
    let watcher: ChildProcess | undefined;
    await new Promise<void>((resolve) => {
      watcher = startMillrace(['download', url, '--service', service.server.address], () => resolve());
    });
    try {
      watcher?.kill('SIGSTOP');
      await service.stop();
    } finally {
      watcher?.kill('SIGKILL');
    }
    await service.start();
    assert.deepEqual(
      (await service.client.list()).jobs.map(({ file }) => file),
      ['a.bin'],
    );
  });

  it('is alone with its queue', async () => {
    await assert.rejects(DownloadServer.start({ root: service.root, port: 0 }, log), { code: 'ERR_LOCKED' });
  });

  it('does not begin with an empty queue when it cannot understand the one it has', async () => {
    await service.stop();
    writeFileSync(queuePath(service.root), '{"formatVersion": 99}');
    await assert.rejects(DownloadServer.start({ root: service.root, port: 0 }, log), {
      code: 'ERR_OPTIONS_DIFFER',
      message: /queue\.json is not a queue .* move it away/,
    });
    rmSync(queuePath(service.root));
    await service.start();
  });

  it('binds another address than loopback only with TLS or when told', async () => {
    const open = { root: service.root, host: '0.0.0.0', port: 0 };
    await assert.rejects(DownloadServer.start(open, log), { code: 'ERR_USAGE', message: /--host/ });
  });

  it('answers health checks, lists itself by reflection, and counts what came', async () => {
    await service.restart({ metricsPort: 0 });
    const server = await service.odd((exchange) =>
      send(exchange, BODY, exchange.index === 0 ? { cutAfter: 1_000_000 } : {}),
    );
    await service.client.add({ url: `${server.url}/a.bin`, md5: MD5 });
    await service.client.untilState('a.bin', JobState.DONE);
    const text = await (await fetch(`http://127.0.0.1:${service.server.metricsPort}/metrics`)).text();
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
    assert.deepEqual(await listedServices(service.server.address), [
      'grpc.health.v1.Health',
      'millrace.v1.DownloadService',
    ]);
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
