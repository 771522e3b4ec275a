import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { splitFolder } from '../../lib/platform/root-layout.js';
import { readManifest } from '../../lib/shards/manifest.js';
import { lastJsonLine, millrace, type CliOutcome } from '../fixtures/cli.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { makeTinyDataset, TINY, TINY_YAML } from '../fixtures/tiny-dataset.js';

describe('prepare as a command', () => {
  const root = temporaryFolder();
  const prepare = (...flags: readonly string[]): Promise<CliOutcome> =>
    millrace(['prepare', join(root.path, 'tiny.yaml'), '--root', root.path, '--size', '16', ...flags]);
  before(async () => {
    await makeTinyDataset(root.path);
    await writeFile(join(root.path, 'tiny.yaml'), TINY_YAML);
  });

  it('tells where the time of the workers went, once', async () => {
    const result = lastJsonLine(await prepare('--split', 'val', '--json'));
    const [{ stageShares, boundBy }] = result['splits'] as {
      stageShares: Record<string, number>;
      boundBy: string;
    }[];
    const shares = Object.entries(stageShares);
    assert.deepEqual(shares.map(([stage]) => stage).sort(), ['decode', 'read', 'write']);
    assert.ok(Math.abs(shares.reduce((sum, [, share]) => sum + share, 0) - 1) < 1e-9);
    assert.equal(stageShares[boundBy], Math.max(...shares.map(([, share]) => share)));

    const again = await prepare('--split', 'val');
    assert.equal(again.code, 0, again.stderr);
    assert.match(again.stdout, /already prepared/);
    assert.doesNotMatch(again.stdout, /images\/s|of their time/);
  });

  it('prints what binds, and keeps resize and fit in the manifest with the counts of the classes', async () => {
    const flags = ['--split', 'train', '--resize', 'area', '--fit', 'cover', '--as', 'smooth'];
    const { code, stdout, stderr } = await prepare(...flags);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /workers {3}read \d+ %, decode and resize \d+ %, write \d+ % of their time: .+ binds/);
    const manifest = await readManifest(splitFolder(root.path, 'smooth', 'train'));
    assert.deepEqual([manifest?.options.resize, manifest?.options.fit], ['area', 'cover']);
    assert.deepEqual(manifest?.classCounts, Array(TINY.numClasses).fill(TINY.trainPerClass));
  });

  for (const [flag, value, expected] of [
    ['--resize', 'lanczos', 'caffe, area or none'],
    ['--fit', 'inside', 'exact, cover or short-side'],
  ]) {
    it(`refuses ${flag} ${value}`, async () => {
      const { code, stderr } = await prepare(flag, value);
      assert.equal(code, 2);
      assert.match(stderr, new RegExp(`${flag}: expected ${expected}, got "${value}"`));
    });
  }
});
