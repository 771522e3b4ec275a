import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { isProcessAlive } from '../../lib/platform/atomic-file.js';
import { splitFolder } from '../../lib/platform/root-layout.js';
import { readManifest } from '../../lib/shards/manifest.js';
import { lastJsonLine, millrace, startMillrace, type CliOutcome } from '../fixtures/cli.js';
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

  describe('when interrupted', () => {
    const shards = async (name: string): Promise<string[]> =>
      (await readdir(splitFolder(root.path, name, 'train'))).filter((entry) => entry.includes('shard-'));

    /** Runs to the end, with a signal at each line that `isMoment` says so of. */
    async function interrupt(name: string, isMoment: (line: Record<string, unknown>) => boolean): Promise<number[]> {
      const flags = ['--size', '16', '--shard-samples', '4', '--workers', '2', '--split', 'train', '--as', name];
      let workers: number[] = [];
      const child = startMillrace(['prepare', join(root.path, 'tiny.yaml'), '--root', root.path, ...flags], (line) => {
        if (!isMoment(line)) return;
        workers = [...workers, ...childrenOf(child.pid)];
        child.kill('SIGINT');
      });
      const [code] = (await once(child, 'close')) as [number | null];
      assert.equal(code, 130);
      return workers;
    }

    it('finishes the shards that are under way, and goes on with the others later', async () => {
      let isAsked = false;
      await interrupt('cut', ({ event, unit }) => {
        const isMoment = !isAsked && event === 'progress' && unit === 'images';
        isAsked ||= isMoment;
        return isMoment;
      });
      const finished = await shards('cut');
      assert.ok(finished.length >= 1 && finished.every((name) => /^shard-\d{5}$/.test(name)), finished.join(' '));
      const { stdout, stderr } = await prepare('--split', 'train', '--shard-samples', '4', '--as', 'cut');
      assert.match(stdout, /160 stored, 2 rejected/, stderr);
    });

    it('stops at once when asked again, workers and all', async () => {
      let isAsked = false;
      const workers = await interrupt('stopped', ({ event, unit }) => {
        const isMoment = event === 'interrupted' || (!isAsked && event === 'progress' && unit === 'images');
        isAsked ||= isMoment;
        return isMoment;
      });
      assert.ok(workers.length >= 1);
      while (workers.some(isProcessAlive)) await setTimeout(5);
      const { stdout, stderr } = await prepare('--split', 'train', '--shard-samples', '4', '--as', 'stopped');
      assert.match(stdout, /160 stored, 2 rejected/, stderr);
    });
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

function childrenOf(pid: number | undefined): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}
