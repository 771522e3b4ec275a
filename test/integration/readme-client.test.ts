import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createLogger } from '../../lib/platform/logger.js';
import { packageRoot } from '../../lib/platform/package-root.js';
import { BatchServer } from '../../services/batch-server/server.js';
import { makeSplit } from '../fixtures/split.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

describe('the plain grpc-js client of the README', () => {
  const folder = temporaryFolder();

  it('gets an epoch with nothing of ours but the proto file', async () => {
    const shape = { height: 12, width: 10, channels: 3 };
    await makeSplit(folder.path, { ...{ dataset: 'sample', split: 'train' }, numSamples: 70, shape, shardSamples: 70 });
    const server = BatchServer.create({ root: folder.path, port: 0, drainMs: 0 }, createLogger('test', 'silent'));
    await server.start();
    try {
      const [, program] =
        /```js\n(import grpc from [^`]*)```/.exec(readFileSync(join(packageRoot(), 'README.md'), 'utf8')) ?? [];
      const run = ['--input-type=module', '--eval', program.replace('127.0.0.1:50051', server.address)];
      const { stdout } = await promisify(execFile)(process.execPath, run, { cwd: packageRoot() });
      assert.equal(stdout, '0 32 32 11520\n1 32 32 11520\n');
    } finally {
      await server.destroy();
    }
  });
});
