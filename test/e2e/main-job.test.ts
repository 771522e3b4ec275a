import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readEnvironment } from '../../lib/platform/environment.js';
import type { MainJobResult } from '../../cli/run/main-job.js';
import { lastJsonLine, millrace, startMillrace } from '../fixtures/cli.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

type Line = Record<string, unknown>;

/** Enough to go through epochs and snapshots; the full run is its own test. */
const FEW_STEPS = ['--steps', '70'];
/** A process takes a part of a second to start; on a machine that is busy, seconds. */
const MAX_START_MS = 20_000;

describe('the main job', () => {
  const folder = temporaryFolder();
  let whole = '';
  let result: MainJobResult;

  before('a run from nothing to a trained model', async function () {
    this.timeout(300_000);
    whole = join(folder.path, 'whole');
    const outcome = await millrace(['run', 'sample', '--root', whole, '--json']);
    assert.equal(outcome.code, 0, outcome.stderr);
    result = lastJsonLine(outcome) as unknown as MainJobResult;
  });

  it('fetches and verifies every archive, and goes on where the first transfer was cut', () => {
    const { archives } = result.download;
    assert.ok(archives.every((archive) => archive.isVerified));
    const [train] = archives;
    assert.equal(train.resumedAt.length, 1);
    assert.ok(train.resumedAt[0] > 0 && train.resumedAt[0] < train.bytes);
    assert.ok(train.bytesFetched <= train.bytes * 1.05, `${train.bytesFetched} bytes for ${train.bytes}`);
  });

  it('makes shards of all images but the broken ones, and says why', () => {
    const [train, val] = result.prepare.splits;
    assert.deepEqual([train.numSamples, train.numRejected, val.numSamples, val.numRejected], [1998, 2, 500, 0]);
    assert.equal(
      Object.values(train.rejectedReasons).reduce((sum, count) => sum + count, 0),
      2,
    );
    assert.ok(train.numShards > 1);
  });

  it('learns: the loss falls, and four of five images of val are told right', () => {
    const { firstLoss, lastLoss, accuracy, steps } = result.train;
    assert.equal(steps, 500);
    assert.ok(lastLoss! < firstLoss! / 2, `${firstLoss} → ${lastLoss}`);
    assert.ok(accuracy.top1 >= 0.8, `top-1 ${accuracy.top1}`);
    assert.equal(accuracy.numSamples, 500);
  });

  it('leaves a checkpoint that classifies a picture of its own', async () => {
    const names = readFileSync(join(whole, 'archives/sample_val.txt'), 'utf8').split('\n');
    const [name, label] = names[0].split(' ');
    const picture = join(folder.path, name);
    const member = execFileSync('tar', ['-xOf', join(whole, 'archives/sample_img_val.tar'), name], {
      maxBuffer: 1 << 26,
    });
    writeFileSync(picture, member);
    const outcome = await millrace(['classify', picture, '--checkpoint', result.train.checkpoint, '--json']);
    assert.equal(outcome.code, 0, outcome.stderr);
    const [{ guesses }] = lastJsonLine(outcome)['images'] as [{ guesses: { label: number; probability: number }[] }];
    assert.equal(guesses.length, 5);
    assert.ok(guesses.some((guess) => guess.label === Number(label)));
  });

  it('run again has nothing left to do', async () => {
    const before = digestOf(whole);
    const outcome = await millrace(['run', 'sample', '--root', whole, '--json']);
    assert.equal(outcome.code, 0, outcome.stderr);
    const again = lastJsonLine(outcome) as unknown as MainJobResult;
    assert.ok(again.download.archives.every((archive) => archive.bytesFetched === 0));
    assert.ok(again.prepare.splits.every((split) => split.wasPrepared));
    assert.deepEqual(digestOf(whole), before);
  });

  it('killed in each of its stages, and run again each time, ends in the same bytes', async function () {
    this.timeout(300_000);
    const undisturbed = join(folder.path, 'undisturbed');
    const killed = join(folder.path, 'killed');
    // Drawing the archives is no part of what is tested here; what is undisturbed has the whole run's archives and shards, too.
    cpSync(join(whole, 'sample-archives'), join(killed, 'sample-archives'), { recursive: true });
    for (const part of ['sample-archives', 'archives', 'datasets']) {
      cpSync(join(whole, part), join(undisturbed, part), { recursive: true, preserveTimestamps: true });
    }
    assert.equal((await millrace(['run', 'sample', '--root', undisturbed, ...FEW_STEPS])).code, 0);

    const isPreparing = (line: Line): boolean =>
      String(line['stage']).startsWith('prepare') && Number(line['done']) > 0;
    // Its workers are about to start, and are gone when all is made.
    const isStartingWorkers = (line: Line): boolean => String(line['stage']).startsWith('prepare');
    const isAfterStep =
      (step: number) =>
      (line: Line): boolean =>
        line['event'] === 'step' && Number(line['runStep']) >= step;
    const runs: [string, (line: Line) => boolean][][] = [
      [['archive-server', (line) => line['event'] === 'listening']],
      [['download', (line) => line['event'] === 'retry']],
      [['prepare', isPreparing]],
      // A lost worker does not end the run.
      [
        ['worker-main', isStartingWorkers],
        ['serve', isAfterStep(20)],
      ],
      [['train', isAfterStep(60)]],
    ];
    for (const kills of runs) {
      const left = [...kills];
      let failure: unknown;
      const run = startMillrace(['run', 'sample', '--root', killed, ...FEW_STEPS], (line) => {
        if (left.length === 0 || !left[0][1](line)) return;
        const [[stage]] = left.splice(0, 1);
        try {
          killProcess(stage, killed);
        } catch (error) {
          failure = error;
        }
      });
      await once(run, 'exit');
      assert.ifError(failure);
      assert.deepEqual(left, [], 'the stage was never reached');
    }
    const last = await millrace(['run', 'sample', '--root', killed, ...FEW_STEPS]);
    assert.equal(last.code, 0, last.stderr);
    assert.deepEqual(digestOf(killed, withoutTimes), digestOf(undisturbed, withoutTimes));
  });

  it('takes real archives the same way', async function () {
    this.timeout(300_000);
    const { testData } = readEnvironment();
    if (!existsSync(join(testData, 'ILSVRC2012_img_train.sample.tar'))) {
      process.stdout.write(`      no archives in ${testData}: set MILLRACE_TEST_DATA to test with real images\n`);
      this.skip();
    }
    const root = join(folder.path, 'real');
    const outcome = await millrace(['run', 'ilsvrc2012-sample', '--root', root, '--steps', '2', '--json']);
    assert.equal(outcome.code, 0, outcome.stderr);
    const { download, prepare, train } = lastJsonLine(outcome) as unknown as MainJobResult;
    assert.equal(download.archives[0].md5, '73d0a65f91a8515787f0240c18d35d04');
    assert.equal(download.archives[0].resumedAt.length, 1);
    assert.deepEqual(
      prepare.splits.map((split) => [split.split, split.numSamples]),
      [
        ['train', 400],
        ['val', 100],
      ],
    );
    assert.equal(train.steps, 2);
    rmSync(root, { recursive: true });
  });
});

/** A file of /proc; empty when its process is gone. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** SIGKILL for the one process of this run whose command line names the stage, which may be about to start. */
function killProcess(stage: string, root: string): void {
  const until = performance.now() + MAX_START_MS;
  do {
    const pid = readdirSync('/proc').find((name) => /^\d+$/.test(name) && isProcessOf(name, stage, root));
    if (pid !== undefined) {
      process.kill(Number(pid), 'SIGKILL');
      return;
    }
  } while (performance.now() < until);
  throw new Error(`no process of the stage ${stage}`);
}

function isProcessOf(pid: string, stage: string, root: string): boolean {
  const commandLine = read(`/proc/${pid}/cmdline`);
  const isStage = commandLine.includes(`main.js\0${stage}\0`) || commandLine.includes(`${stage}.js`);
  if (!isStage) return false;
  const parent = /^PPid:\s*(\d+)$/m.exec(read(`/proc/${pid}/status`))?.[1] ?? '';
  return commandLine.includes(root) || read(`/proc/${parent}/cmdline`).includes(root);
}

/** The log of a run without how long its steps took. */
function withoutTimes(path: string, content: Buffer): Buffer | string {
  if (!path.endsWith('log.csv')) return content;
  const rows = content.toString().split('\n');
  const times = rows[0].split(',').flatMap((column, at) => (column.endsWith('_ms') ? [at] : []));
  return rows.map((row) => row.split(',').filter((_, at) => !times.includes(at))).join('\n');
}

/** Digest of every product under a root, by its path: archives, shards, manifests, means, checkpoints, logs. */
function digestOf(
  root: string,
  contentOf: (path: string, content: Buffer) => Buffer | string = (_, content) => content,
): Record<string, string> {
  const digests: Record<string, string> = {};
  for (const part of ['archives', 'datasets', 'runs']) {
    for (const entry of readdirSync(join(root, part), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      // Notes of a process about this machine (times of change), and what LMDB keeps for readers, are no products.
      if (!entry.isFile() || /\.verified\.json$|\.index$|lock\.mdb$/.test(entry.name)) continue;
      digests[path.slice(root.length)] = createHash('sha256')
        .update(contentOf(path, readFileSync(path)))
        .digest('hex');
    }
  }
  return digests;
}
