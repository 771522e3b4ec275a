import assert from 'node:assert/strict';
import { utimesSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { datasetSchema } from '../../../../lib/catalog/dataset-schema.js';
import { createArchiveServer, type ArchiveServer } from '../../../../services/archive-server/archive-server.js';
import { openServedDataset } from '../../../../services/archive-server/served-dataset.js';
import { listeningReporter } from '../../../fixtures/download-run.js';
import { noise } from '../../../fixtures/odd-server.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

const BODY = noise(1_000_000);

describe('the archive server', () => {
  const folder = temporaryFolder();
  let server: ArchiveServer;
  let url: string;

  before(async () => {
    writeFileSync(join(folder.path, 'big.tar'), BODY);
    writeFileSync(join(folder.path, 'list.txt'), 'a 1\n');
    writeFileSync(join(folder.path, 'empty.txt'), '');
    writeFileSync(join(folder.path, 'secret'), 'not served');
    const names = ['big.tar', 'list.txt', 'empty.txt'];
    const dataset = datasetSchema.parse({
      name: 'd',
      about: '',
      archives: names.map((file) => ({ file })),
      splits: {},
    });
    const files = new Map(names.map((name) => [name, join(folder.path, name)]));
    server = createArchiveServer({ dataset, files, cutFirstTransferAt: 0.5 });
    url = await server.start();
  });
  after(() => server.close());

  const get = (name: string, headers: Record<string, string> = {}, method = 'GET') =>
    fetch(`${url}/${name}`, { headers, method });

  it('cuts the first transfer of the largest file, and no other', async () => {
    await (await get('list.txt')).text();
    await (await get('big.tar', {}, 'HEAD')).text();
    let numBytes = 0;
    const { body } = await get('big.tar');
    await assert.rejects(async () => {
      for await (const chunk of body!) numBytes += (chunk as Uint8Array).length;
    });
    assert.ok(numBytes <= BODY.length / 2, `${numBytes} bytes`);
    assert.deepEqual(Buffer.from(await (await get('big.tar')).arrayBuffer()), BODY);
  });

  it('answers a range with its bytes', async () => {
    const response = await get('big.tar', { range: 'bytes=999990-' });
    assert.equal(response.status, 206);
    assert.equal(response.headers.get('content-range'), 'bytes 999990-999999/1000000');
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), BODY.subarray(999_990));
  });

  it('answers a range past the end with the length', async () => {
    const response = await get('big.tar', { range: 'bytes=1000000-' });
    assert.equal(response.status, 416);
    assert.equal(response.headers.get('content-range'), 'bytes */1000000');
  });

  it('sends all of a file that changed since the part was begun', async () => {
    const { headers } = await get('list.txt', {}, 'HEAD');
    const ifRange = { range: 'bytes=2-', 'if-range': headers.get('etag')! };
    assert.equal(await (await get('list.txt', ifRange)).text(), '1\n');
    utimesSync(join(folder.path, 'list.txt'), 1000, 1000);
    const response = await get('list.txt', ifRange);
    assert.equal(response.status, 200);
    assert.equal(await response.text(), 'a 1\n');
  });

  it('answers HEAD with length and validators, and no body', async () => {
    const response = await get('big.tar', {}, 'HEAD');
    assert.equal(response.headers.get('content-length'), '1000000');
    assert.match(response.headers.get('etag')!, /^"[0-9a-f]+-[0-9a-f]+"$/);
    assert.ok(Date.parse(response.headers.get('last-modified')!) > 0);
    assert.equal(await response.text(), '');
  });

  it('serves an empty file', async () => {
    assert.equal(await (await get('empty.txt')).text(), '');
  });

  it('serves the dataset with its own URLs', async () => {
    const dataset = datasetSchema.parse(await (await get('dataset.json')).json());
    assert.deepEqual(dataset.archives[0].urls, [`${url}/big.tar`]);
  });

  it('takes GET and HEAD only', async () => {
    assert.equal((await get('big.tar', {}, 'DELETE')).status, 405);
  });

  for (const path of ['/secret', '/../secret', '/%2e%2e%2fsecret', '/x/../secret', '//secret', '/', '/%ff', '/..']) {
    it(`does not lead out of its files by ${path}`, async () => {
      // Node's fetch would tidy the path before it is sent.
      const status = await new Promise<number | undefined>((resolve, reject) => {
        request(url, { path }, (response) => resolve(response.resume().statusCode))
          .on('error', reject)
          .end();
      });
      assert.equal(status, 404);
    });
  }

  it('says which real archive is missing', async () => {
    const run = openServedDataset('ilsvrc2012-sample', {
      sampleFolder: folder.path,
      testData: join(folder.path, 'nowhere'),
      reporter: listeningReporter(),
    });
    await assert.rejects(run, {
      code: 'ERR_NOT_FOUND',
      message: /ILSVRC2012_img_train.sample.tar.*MILLRACE_TEST_DATA/,
    });
  });
});
