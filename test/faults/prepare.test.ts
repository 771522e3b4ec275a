import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { splitFolder } from '../../lib/platform/root-layout.js';
import { prepareDataset, type PrepareSettings } from '../../workers/prepare.js';
import { createWorkerPool } from '../../workers/worker-pool.js';
import type { ConvertTask } from '../../workers/task.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { digestTree, makeTinyDataset, silentReporter } from '../fixtures/tiny-dataset.js';

const PROGRAM = fileURLToPath(new URL('./prepare-process.js', import.meta.url));

describe('prepare, when processes are killed', () => {
  const root = temporaryFolder();
  let settings: PrepareSettings;
  let undisturbed: Record<string, string>;
  const dataset = (): string => join(root.path, 'datasets', 'tiny');

  before(async () => {
    settings = await makeTinyDataset(root.path);
    await prepareDataset(settings, false);
    undisturbed = await digestTree(dataset());
    await mkdir(join(root.path, 'done'));
  });

  beforeEach(async () => {
    await rename(dataset(), join(root.path, 'done', String(Math.random())));
  });

  /** Runs the whole until `until` lines of progress are out, then kills it. True when it was killed before its end. */
  async function runAndKill(until: number, numWorkers: number): Promise<boolean> {
    const child = spawn(process.execPath, [PROGRAM, root.path, String(numWorkers)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
    let numLines = 0;
    createInterface({ input: child.stdout }).on('line', () => {
      if (++numLines === until) child.kill('SIGKILL');
    });
    const [code, signal] = await exited;
    assert.ok(code === 0 || signal === 'SIGKILL', `ended with ${code ?? signal ?? ''}`);
    return signal === 'SIGKILL';
  }

  for (const numWorkers of [1, 3]) {
    it(`ends in the same bytes however often the whole is killed, with ${numWorkers} workers`, async () => {
      let numKilled = 0;
      // Each run takes up what the ones before it finished.
      for (const until of [1, 30, 55, 17, 80, 42, 26]) if (await runAndKill(until, numWorkers)) numKilled++;
      assert.ok(numKilled >= 3, `killed ${numKilled} times`);
      await prepareDataset(settings, true);
      assert.deepEqual(await digestTree(dataset()), undisturbed);
    });
  }

  it('gives the shard of a killed worker to another one', async () => {
    const lost: string[] = [];
    const killed = new Set<number>();
    const reporter = silentReporter();
    await prepareDataset(
      {
        ...settings,
        reporter: {
          ...reporter,
          progress({ done }) {
            const victim =
              killed.size < 3 && done > 20 * killed.size
                ? childrenOf(process.pid).find((pid) => !killed.has(pid))
                : undefined;
            if (victim === undefined) return;
            killed.add(victim);
            process.kill(victim, 'SIGKILL');
          },
          event: (name, text) => lost.push(`${name}: ${text}`),
        },
      },
      false,
    );
    assert.ok(killed.size >= 1);
    assert.ok(
      lost.length >= 1 &&
        lost.every((line) =>
          /^worker-lost: .*shard-\d{5} was ended by SIGKILL at or just after image \d{8}_/.test(line),
        ),
      lost.join('\n'),
    );
    assert.deepEqual(await digestTree(dataset()), undisturbed);
  });
});

describe('a worker pool', () => {
  const folder = temporaryFolder();
  let settings: PrepareSettings;
  before(async () => {
    settings = await makeTinyDataset(folder.path);
  });

  const task = (): ConvertTask => ({
    folder: join(splitFolder(folder.path, 'pool', 'val'), 'shard-00000'),
    archive: 'val.tar',
    membersPath: join(folder.path, 'archives', 'val.tar'),
    options: { size: 16, resize: 'caffe', fit: 'exact', record: 'raw' },
    taskDigest: '0'.repeat(64),
    keys: ['00000000_val_0.JPEG'],
    labels: Int32Array.of(0),
    offsets: Float64Array.of(512),
    sizes: Float64Array.of(300),
  });
  const observer = { onProgress: () => undefined, onRejected: () => undefined };

  it('gives up on a shard after three silent workers, naming shard and image, and leaves nothing behind', async () => {
    const lost: string[] = [];
    const pool = createWorkerPool({ timeoutMs: 1, onLost: (message) => lost.push(message) });
    await mkdir(splitFolder(folder.path, 'pool', 'val'), { recursive: true });
    await assert.rejects(pool.convert(task(), observer, settings.signal), {
      code: 'ERR_WORKER_LOST',
      message: /shard-00000 said nothing for 0\.001 s at or just after image 00000000_val_0\.JPEG/,
    });
    await pool.close();
    assert.equal(lost.length, 2);
    assert.deepEqual(readdirSync(splitFolder(folder.path, 'pool', 'val')), []);
  });

  it('passes on what a task failed of, without trying again', async () => {
    const lost: string[] = [];
    const pool = createWorkerPool({ timeoutMs: 60_000, onLost: (message) => lost.push(message) });
    const beyond = { ...task(), offsets: Float64Array.of(1e9) };
    await assert.rejects(pool.convert(beyond, observer, settings.signal), {
      code: 'ERR_ARCHIVE_CORRUPT',
      message: /val\.tar/,
    });
    await pool.close();
    assert.deepEqual(lost, []);
    assert.deepEqual(childrenOf(process.pid), []);
  });
});

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}
