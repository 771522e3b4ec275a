import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../../lib/platform/package-root.js';
import { servedSplits } from '../fixtures/served-splits.js';

const SPLIT = {
  dataset: 'sample',
  split: 'train',
  numSamples: 70,
  shape: { height: 12, width: 10, channels: 3 },
  shardSamples: 70,
};

describe('a program of the README', () => {
  const served = servedSplits(SPLIT);

  /** The block that begins with `first`, as a module in the package's folder, where its own name means itself. */
  async function run(first: string, ...changes: [string, string][]): Promise<string> {
    const readme = readFileSync(join(packageRoot(), 'README.md'), 'utf8');
    let program = readme.slice(readme.indexOf(first), readme.indexOf('```', readme.indexOf(first)));
    for (const [from, to] of changes) {
      assert.ok(program.includes(from), `${from} is not in ${program}`);
      program = program.replace(from, to);
    }
    const args = ['--input-type=module', '--eval', program];
    return (await promisify(execFile)(process.execPath, args, { cwd: packageRoot() })).stdout;
  }

  it('gets an epoch by plain grpc-js, with nothing of ours but the proto file', async () => {
    const stdout = await run('import grpc from', ['127.0.0.1:50051', served.server.address]);
    assert.equal(stdout, '0 32 32 11520\n1 32 32 11520\n');
  });

  it('gets epochs by the client library, and ends', async () => {
    const stdout = await run(
      "import { connect } from 'millrace/client'",
      ['gpu-feeder-1:50051', served.server.address],
      ['cropSize: 56', 'cropSize: 8'],
      ['epochs: 90', 'epochs: 2'],
      [
        '// batch.images',
        'console.log(batch.epoch, batch.step, batch.images.length, batch.labels.length); // batch.images',
      ],
    );
    assert.equal(stdout, '0 0 6144 32\n0 1 6144 32\n1 0 6144 32\n1 1 6144 32\n');
  });
});
