import assert from 'node:assert/strict';
import { status, type ServiceError } from '@grpc/grpc-js';
import { JobState } from '../../protos/gen/millrace/v1/download.js';
import { BODY, downloadService, MD5 } from '../fixtures/download-service.js';
import type { TestClient } from '../fixtures/download-service-client.js';

describe('a download service refuses', () => {
  const service = downloadService();
  const url = 'http://127.0.0.1:9/a.bin';
  const cases: [string, Parameters<TestClient['add']>[0], RegExp][] = [
    ['a request for nothing', {}, /^source: expected dataset, dataset_json or url/],
    ['a dataset that it does not know', { dataset: 'nope' }, /^dataset: unknown "nope"; expected one of .*imagenette/],
    ['a dataset name that is a file of its machine', { dataset: '/etc/x.json' }, /^dataset: unknown "\/etc\/x\.json"/],
    ['a dataset that is none', { datasetJson: '{"name": "x"}' }, /^dataset_json .*archives: /s],
    ['a file that the dataset does not have', { dataset: 'imagenette', files: ['x'] }, /^files: imagenette has no/],
    ['a base URL that is none', { dataset: 'imagenette', baseUrl: 'ftp://x' }, /^base_url: expected an http/],
    ['a digest for a dataset', { dataset: 'imagenette', md5: MD5 }, /^md5: goes with url/],
    ['a URL that is none', { url: 'images' }, /^url: expected an http or https URL/],
    ['a URL of its own disk', { url: 'file:///etc/passwd' }, /^url: expected an http or https URL/],
    ['a URL without a file name', { url: 'http://127.0.0.1:9/' }, /^url: .* ends in a file name/],
    ['a file name that leaves its folder', { url: 'http://127.0.0.1:9/..%2fa' }, /^url: .* ends in a file name/],
    ['a file name that cannot be decoded', { url: 'http://127.0.0.1:9/%zz' }, /^url: .* ends in a file name/],
    ['the lock of an archive', { url: 'http://127.0.0.1:9/a.bin.lock' }, /^url: .* ends in a file name/],
    ['a digest that is none', { url, md5: 'abc' }, /^md5: expected 32 hex digits/],
    ['files with a URL', { url, files: ['a'] }, /^url: files, include_optional and base_url/],
  ];
  for (const [what, request, message] of cases) {
    it(what, async () => {
      await assert.rejects(service.client.add(request), (error: ServiceError) => {
        assert.equal(error.code, status.INVALID_ARGUMENT, error.message);
        assert.match(error.details, message);
        return true;
      });
      assert.deepEqual((await service.client.list()).jobs, []);
    });
  }

  it('a dataset with an archive of its own disk', async () => {
    const archives = [{ file: 'a.bin', urls: ['file:///etc/passwd'] }];
    const datasetJson = JSON.stringify({ name: 'own', about: '', archives, splits: {} });
    await assert.rejects(service.client.add({ datasetJson }), { code: status.INVALID_ARGUMENT });
  });

  it('jobs that there are not', async () => {
    for (const call of [
      service.client.pause('x'),
      service.client.resume('x'),
      service.client.cancel('x'),
      service.client.untilState('x', JobState.DONE),
    ]) {
      await assert.rejects(call, { code: status.NOT_FOUND, details: /^files: no job "x"/ });
    }
    await assert.rejects(service.client.cancel(), { code: status.INVALID_ARGUMENT, details: /^files: / });
  });

  it('an archive that is on its way, or there, with another digest', async () => {
    const server = await service.gated();
    const wrong = {
      url: `${server.url}/a.bin`,
      md5: MD5.replace(/^./, 'x').replace('x', MD5.startsWith('0') ? '1' : '0'),
    };
    await service.client.add({ url: `${server.url}/a.bin`, md5: MD5 });
    await assert.rejects(service.client.add(wrong), {
      code: status.FAILED_PRECONDITION,
      details: /cancel that job first/,
    });
    server.allow(Infinity);
    await service.client.untilState('a.bin', JobState.DONE);
    await assert.rejects(service.client.add(wrong), {
      code: status.FAILED_PRECONDITION,
      details: /remove that file first/,
    });
    assert.deepEqual(service.placed('a.bin'), BODY);
  });
});
