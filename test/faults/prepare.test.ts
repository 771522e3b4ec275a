import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../../lib/platform/package-root.js';
import { REJECTED_FILE, splitFolder } from '../../lib/platform/root-layout.js';
import { prepareDataset, type PrepareSettings } from '../../workers/prepare.js';
import { createWorkerPool } from '../../workers/worker-pool.js';
import type { ConvertTask } from '../../workers/task.js';
import { makeTar } from '../fixtures/tar-files.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { digestTree, makeTinyDataset, silentReporter, TINY, tinyJpeg } from '../fixtures/tiny-dataset.js';

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

  /**
   * Runs the whole, and kills it some milliseconds after so many lines of progress are out. True when that was before its end.
   */
  async function runAndKill(afterLines: number, delayMs: number, ...args: readonly string[]): Promise<boolean> {
    const child = spawn(process.execPath, [PROGRAM, root.path, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
    let numLines = 0;
    createInterface({ input: child.stdout }).on('line', () => {
      if (++numLines === afterLines) setTimeout(() => child.kill('SIGKILL'), delayMs);
    });
    const [code, signal] = await exited;
    assert.ok(code === 0 || signal === 'SIGKILL', `ended with ${code ?? signal ?? ''}`);
    return signal === 'SIGKILL';
  }

  for (const numWorkers of [1, 3]) {
    it(`ends in the same bytes however often the whole is killed, with ${numWorkers} workers`, async () => {
      let numKilled = 0;
      // Each run takes up what the ones before it finished. A worker says something when it begins a shard and when it is through.
      for (const afterLines of [1, 2, 4, 3, 7, 10, 14]) {
        if (await runAndKill(afterLines, random(40), String(numWorkers))) numKilled++;
      }
      assert.ok(numKilled >= 3, `killed ${numKilled} times`);
      await prepareDataset(settings, true);
      assert.deepEqual(await digestTree(dataset()), undisturbed);
    });
  }

  it('leaves the old version or the new one, whole, whenever an update is killed, and ends in the new one', async () => {
    const list = join(root.path, 'archives', 'train.txt');
    const folder = splitFolder(root.path, 'tiny', 'train');
    const prepare = (mayUpdate: boolean) => prepareDataset({ ...settings, splits: ['train'], mayUpdate }, false);
    const inPlace = async () => JSON.stringify(await digestTree(folder));
    const oldList = await readFile(list, 'utf8');
    // In four of the seven shards.
    const newList = oldList.replaceAll('7.JPEG 2', '7.JPEG 3');
    try {
      await writeFile(list, newList);
      await prepare(false);
      const newVersion = await inPlace();
      await writeFile(list, oldList);
      await prepare(true);
      const oldVersion = await inPlace();
      await writeFile(list, newList);
      let numKilled = 0;
      for (let run = 0; run < 8; run++) {
        const wasKilled = await runAndKill(1, random(250), '2', 'update');
        // Between two renames there is nothing.
        const found = existsSync(folder) ? await inPlace() : 'nothing';
        assert.ok(found === newVersion || (wasKilled && [oldVersion, 'nothing'].includes(found)));
        if (wasKilled) numKilled++;
        if (found !== newVersion) continue;
        await writeFile(list, oldList);
        await prepare(true);
        assert.equal(await inPlace(), oldVersion);
        await writeFile(list, newList);
      }
      assert.ok(numKilled >= 3, `killed ${numKilled} times`);
      await prepare(true);
      assert.equal(await inPlace(), newVersion);
    } finally {
      await writeFile(list, oldList);
    }
  });

  it('ends in the same bytes when workers are killed, one or all, at 20 points', async () => {
    let numKilled = 0;
    const lost: string[] = [];
    while (numKilled < 20) {
      // Two at most in a run: a third at the very same image would be the image's fault.
      let numLeft = 2;
      let numWords = random(4);
      const reporter = silentReporter();
      await prepareDataset(
        {
          ...settings,
          reporter: {
            ...reporter,
            progress() {
              if (numLeft === 0 || numWords-- > 0) return;
              numWords = random(4);
              const workers = childrenOf(process.pid);
              const victims = random(2) === 0 ? workers : workers.slice(0, 1);
              if (victims.length === 0) return;
              numLeft--;
              numKilled += victims.length;
              setTimeout(() => victims.forEach(killIfThere), random(20));
            },
            event: (name, text) => lost.push(`${name}: ${text}`),
          },
        },
        false,
      );
      assert.deepEqual(await digestTree(dataset()), undisturbed);
      await rename(dataset(), join(root.path, 'done', `killed-${numKilled}`));
    }
    await mkdir(dataset());
    assert.ok(lost.length >= 1);
    for (const line of lost) {
      assert.match(
        line,
        /^worker-lost: .*shard-\d{5} was ended by SIGKILL at (or just after )?image \d{8}_.*begun again$/,
      );
    }
  });

  it('gives the shard of a worker that hangs to another one', async () => {
    const lost: string[] = [];
    let stopped: number | undefined;
    const reporter = silentReporter();
    await prepareDataset(
      {
        ...settings,
        workerTimeoutMs: 3_000,
        reporter: {
          ...reporter,
          progress() {
            if (stopped !== undefined) return;
            [stopped] = childrenOf(process.pid);
            process.kill(stopped, 'SIGSTOP');
          },
          event: (name, text) => lost.push(`${name}: ${text}`),
        },
      },
      false,
    );
    assert.equal(lost.length, 1, lost.join('\n'));
    assert.match(lost[0], /said nothing for 3 s at or just after image .*; the shard is begun again/);
    assert.deepEqual(await digestTree(dataset()), undisturbed);
    assert.throws(() => process.kill(stopped ?? 0, 0), { code: 'ESRCH' });
  });
});

describe('prepare, when a decoder fails', () => {
  const root = temporaryFolder();
  let settings: PrepareSettings;
  const setting = process.env['MILLRACE_TURBOJPEG'];

  before(async () => {
    settings = await makeTinyDataset(root.path);
    const library = join(root.path, 'libturbojpeg.so');
    const source = join(packageRoot(), 'test', 'fixtures', 'odd-turbojpeg.c');
    execFileSync('cc', ['-shared', '-fPIC', '-o', library, source]);
    process.env['MILLRACE_TURBOJPEG'] = library;
  });
  after(() => {
    if (setting === undefined) delete process.env['MILLRACE_TURBOJPEG'];
    else process.env['MILLRACE_TURBOJPEG'] = setting;
  });

  /** What is put behind an image's bytes. */
  async function writeVal(faults: Readonly<Record<number, string>>): Promise<void> {
    const members = await Promise.all(
      Array.from({ length: TINY.numVal }, async (_, i) => {
        const fault = Buffer.from(faults[i] ?? '');
        return { name: `val_${i}.JPEG`, content: Buffer.concat([await tinyJpeg(90_000 + i), fault]) };
      }),
    );
    await writeFile(join(root.path, 'archives', 'val.tar'), await makeTar(members));
  }

  it('leaves no worker behind that hangs when its parent is killed', async function () {
    if (process.platform !== 'linux') this.skip();
    await writeVal({ 11: 'HANGS ALOUD' });
    const child = spawn(process.execPath, [PROGRAM, root.path, '1'], { stdio: ['ignore', 'ignore', 'pipe'] });
    // The worker has the same stderr: that ends when both have.
    const ended = once(child.stderr, 'end');
    const [said] = (await once(child.stderr, 'data')) as [Buffer];
    assert.equal(said.toString(), 'hanging\n');
    child.kill('SIGKILL');
    await ended;
  });

  it('leaves out the images that take two workers with them, each with its reason, and goes on', async () => {
    await writeVal({ 3: 'CRASHES', 4: 'CRASHES', 11: 'HANGS' });
    const [val] = await prepareDataset({ ...settings, splits: ['val'], workerTimeoutMs: 2_500 }, false);
    assert.equal(val.numSamples, TINY.numVal - 3);
    const lines = (await readFile(join(val.folder, REJECTED_FILE), 'utf8')).trim().split('\n');
    const rejected = lines.map((line) => JSON.parse(line) as { key: string; reason: string });
    assert.deepEqual(Object.fromEntries(rejected.map(({ key, reason }) => [key.slice(9), reason])), {
      'val_3.JPEG': 'lost two workers, of which the second was ended by SIGABRT',
      'val_4.JPEG': 'lost two workers, of which the second was ended by SIGABRT',
      'val_11.JPEG': 'lost two workers, of which the second said nothing for 2.5 s',
    });
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

  it('gives up on a shard after four workers that never said anything, naming shard and image, and leaves nothing behind', async () => {
    const lost: string[] = [];
    const pool = createWorkerPool({ turbojpeg: 'none', timeoutMs: 1, onLost: (message) => lost.push(message) });
    await mkdir(splitFolder(folder.path, 'pool', 'val'), { recursive: true });
    await assert.rejects(pool.convert(task(), observer, settings.signal), {
      code: 'ERR_WORKER_LOST',
      message: /shard-00000 said nothing for 0\.001 s at image 00000000_val_0\.JPEG, as 3 before it/,
    });
    await pool.close();
    assert.equal(lost.length, 3);
    assert.deepEqual(readdirSync(splitFolder(folder.path, 'pool', 'val')), []);
  });

  it('passes on what a task failed of, without trying again', async () => {
    const lost: string[] = [];
    const pool = createWorkerPool({ turbojpeg: 'none', timeoutMs: 60_000, onLost: (message) => lost.push(message) });
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

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has just gone by itself.
  }
}

/** A whole number of `[0, below)`. */
function random(below: number): number {
  return Math.floor(Math.random() * below);
}
