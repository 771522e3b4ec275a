import assert from 'node:assert/strict';
import { JobState } from '../../protos/gen/millrace/v1/download.js';
import { BODY, downloadService, MD5 } from '../fixtures/download-service.js';

describe('a download service with several jobs', () => {
  const service = downloadService();

  it('does not fetch what is paused or cancelled before its turn', async () => {
    await service.restart({ concurrency: 1 });
    const server = await service.gated();
    for (const file of ['a', 'b', 'c', 'd']) await service.client.add({ url: `${server.url}/${file}`, md5: MD5 });
    await service.client.untilState('a', JobState.ACTIVE);
    await service.client.pause('b');
    await service.client.cancel('c');
    server.allow(Infinity);
    await service.client.untilState('d', JobState.DONE);
    assert.deepEqual(new Set(server.paths), new Set(['/a', '/d']));
    assert.deepEqual(
      (await service.client.list()).jobs.map(({ state }) => state),
      [JobState.DONE, JobState.PAUSED, JobState.CANCELLED, JobState.DONE],
    );
  });

  it('holds to the rate that it is set, until it is set another', async () => {
    const server = await service.gated();
    server.allow(Infinity);
    await service.client.setRate(1);
    assert.equal((await service.client.list()).bytesPerSecond, 1);
    await service.client.add({ url: `${server.url}/a.bin`, md5: MD5 });
    await service.client.until('a.bin', ({ bytesDone }) => bytesDone > 0 && bytesDone < BODY.length);
    await service.restart();
    assert.equal((await service.client.list()).bytesPerSecond, 1);
    await service.client.setRate(0);
    await service.client.untilState('a.bin', JobState.DONE);
  });

  it('takes the job with the highest priority first, the first added among equals', async () => {
    await service.restart({ concurrency: 1 });
    const server = await service.gated();
    await service.client.add({ url: `${server.url}/first`, md5: MD5 });
    await service.client.untilState('first', JobState.ACTIVE);
    await service.client.add({ url: `${server.url}/low`, md5: MD5, priority: -1 });
    await service.client.add({ url: `${server.url}/usual`, md5: MD5 });
    await service.client.add({ url: `${server.url}/usual-too`, md5: MD5 });
    await service.client.add({ url: `${server.url}/raised`, md5: MD5 });
    await service.client.add({ url: `${server.url}/raised`, md5: MD5, priority: 7 });
    server.allow(Infinity);
    await service.client.untilState('low', JobState.DONE);
    assert.deepEqual([...new Set(server.paths)], ['/first', '/raised', '/usual', '/usual-too', '/low']);
  });

  it('leaves a host in peace that has as many transfers as it may have, and goes on with another', async () => {
    await service.restart({ concurrency: 3, perHost: 1 });
    const [busy, free] = [await service.gated(), await service.gated()];
    await service.client.add({ url: `${busy.url}/a`, md5: MD5 });
    await service.client.add({ url: `${busy.url}/b`, md5: MD5, priority: 1 });
    await service.client.add({ url: `${free.url}/c`, md5: MD5 });
    free.allow(Infinity);
    await service.client.untilState('c', JobState.DONE);
    assert.deepEqual(new Set(busy.paths), new Set(['/a']));
    busy.allow(Infinity);
    await service.client.untilState('b', JobState.DONE);
  });
});
