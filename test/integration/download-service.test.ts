import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { archivePath } from '../../lib/platform/root-layout.js';
import { JobState, type WatchResponse } from '../../protos/gen/millrace/v1/download.js';
import { BODY, downloadService, MD5 } from '../fixtures/download-service.js';
import { send } from '../fixtures/odd-server.js';

describe('a download service', () => {
  const service = downloadService();

  it('fetches a URL that it is given, and tells it from the first byte to the verified file', async () => {
    const server = await service.odd((exchange) => send(exchange, BODY));
    const [job] = await service.client.add({ url: `${server.url}/images.bin?ticket=1`, md5: MD5.toUpperCase() });
    assert.equal(job.file, 'images.bin');
    const states: JobState[] = [];
    const events: string[] = [];
    for await (const { job: now, event } of service.client.watch('images.bin') as AsyncIterable<WatchResponse>) {
      if (now !== undefined) states.push(now.state);
      if (event !== undefined) events.push(event.name);
    }
    assert.equal(states.at(-1), JobState.DONE);
    assert.ok(events.includes('verified'), events.join());
    assert.deepEqual(service.placed('images.bin'), BODY);
    const { jobs } = await service.client.list();
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
    const server = await service.odd((exchange) => send(exchange, BODY));
    const dataset = {
      name: 'own',
      about: 'of a test',
      archives: [{ file: 'a.bin', md5: MD5 }, { file: 'b.bin' }, { file: 'c.bin', md5: MD5, optional: true }],
      splits: {},
    };
    const jobs = await service.client.add({
      datasetJson: JSON.stringify(dataset),
      files: ['a.bin', 'c.bin'],
      baseUrl: `${server.url}/mirror/`,
    });
    assert.deepEqual(
      jobs.map(({ file }) => file),
      ['a.bin', 'c.bin'],
    );
    for (const { file } of jobs) await service.client.untilState(file, JobState.DONE);
    assert.deepEqual(new Set(server.requests.map(({ path }) => path)), new Set(['/mirror/a.bin', '/mirror/c.bin']));
  });

  it('has one job for an archive, however often it is asked for', async () => {
    const server = await service.gated();
    const request = { url: `${server.url}/a.bin`, md5: MD5 };
    await Promise.all([service.client.add(request), service.client.add(request)]);
    await service.client.untilState('a.bin', JobState.ACTIVE);
    await service.client.add({ ...request, priority: 3 });
    server.allow(Infinity);
    await service.client.untilState('a.bin', JobState.DONE);
    const [again] = await service.client.add(request);
    assert.equal(again.state, JobState.DONE);
    assert.equal(again.priority, 3);
    assert.equal((await service.client.list()).jobs.length, 1);
    assert.equal(server.numBytesSent, BODY.length);
  });

  it('fetches an archive again that was done and is gone', async () => {
    const server = await service.gated();
    server.allow(Infinity);
    const request = { url: `${server.url}/a.bin`, md5: MD5 };
    await service.client.add(request);
    await service.client.untilState('a.bin', JobState.DONE);
    rmSync(archivePath(service.root, 'a.bin'));
    await service.client.add(request);
    await service.client.untilState('a.bin', JobState.DONE);
    assert.deepEqual(service.placed('a.bin'), BODY);
  });

  it('keeps what has come of a job that is paused, and goes on there', async () => {
    const server = await service.gated();
    await service.client.add({ url: `${server.url}/a.bin`, md5: MD5 });
    server.allow(1_000_000);
    await service.client.until('a.bin', ({ bytesDone }) => bytesDone === 1_000_000);
    const [paused] = await service.client.pause('a.bin');
    assert.equal(paused.state, JobState.PAUSED);
    server.allow(Infinity);
    const [resumed] = await service.client.resume();
    assert.notEqual(resumed.state, JobState.PAUSED);
    const done = await service.client.untilState('a.bin', JobState.DONE);
    assert.ok(done.result!.resumedAt.length > 0);
    assert.equal(server.numBytesSent, BODY.length);
    assert.deepEqual(service.placed('a.bin'), BODY);
  });

  it('stops a job that is cancelled, and goes on where it stopped when it is asked for again', async () => {
    const server = await service.gated();
    const request = { url: `${server.url}/a.bin`, md5: MD5 };
    await service.client.add(request);
    server.allow(1_000_000);
    await service.client.until('a.bin', ({ bytesDone }) => bytesDone === 1_000_000);
    const [cancelled] = await service.client.cancel('a.bin');
    assert.equal(cancelled.state, JobState.CANCELLED);
    assert.equal(existsSync(archivePath(service.root, 'a.bin')), false);
    server.allow(Infinity);
    await service.client.add(request);
    await service.client.untilState('a.bin', JobState.DONE);
    assert.equal(server.numBytesSent, BODY.length);
  });

  it('says why a job failed, and takes it up again when it is resumed', async () => {
    let isThere = false;
    const server = await service.odd((exchange) =>
      isThere ? send(exchange, BODY) : void exchange.response.writeHead(404).end('gone'),
    );
    await service.client.add({ url: `${server.url}/a.bin`, md5: MD5 });
    const failed = await service.client.untilState('a.bin', JobState.FAILED);
    assert.equal(failed.error?.code, 'ERR_TRANSFER_REFUSED');
    assert.match(failed.error.message, /404/);
    isThere = true;
    await service.client.resume('a.bin');
    await service.client.untilState('a.bin', JobState.DONE);
  });
});
