import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { isProcessAlive, sweepTemporaries, writeFileAtomic } from '../../../../lib/platform/atomic-file.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

describe('a file that is written whole', () => {
  const folder = temporaryFolder();
  const [old, young] = ['a', 'b'].map((letter) => Buffer.alloc(8 << 20, letter));

  it('is the old one or the new one to whoever reads meanwhile, and nothing stays beside it', async () => {
    const path = join(folder.path, 'file');
    await writeFileAtomic(path, old);
    let isWritten = false;
    const written = writeFileAtomic(path, young).finally(() => (isWritten = true));
    while (!isWritten) {
      const seen = readFileSync(path);
      assert.ok(seen.equals(old) || seen.equals(young), `${seen.length} bytes were seen`);
      await nextTurn();
    }
    await written;
    assert.ok(readFileSync(path).equals(young));
    assert.deepEqual(await readdir(folder.path), ['file']);
  });

  it('leaves nothing beside its place when it cannot go there', async () => {
    await mkdir(join(folder.path, 'taken', 'by a folder'), { recursive: true });
    await assert.rejects(writeFileAtomic(join(folder.path, 'taken'), young));
    assert.deepEqual((await readdir(folder.path)).sort(), ['file', 'taken']);
  });
});

describe('the sweep of what killed processes left', () => {
  const folder = temporaryFolder();

  it('takes the temporaries of a process that has ended though its parent never asked, and no other', async function () {
    if (process.platform !== 'linux') this.skip();
    // The shell turns into a program that knows nothing of the child that it began, which ends only then.
    const parent = spawn('sh', ['-c', 'read line <&3 & echo $!; exec sleep 600 3<&-'], {
      stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
    });
    try {
      const [line] = (await once(parent.stdout!, 'data')) as [Buffer];
      const ended = Number(line.toString());
      while (!readFileSync(`/proc/${parent.pid}/cmdline`, 'latin1').startsWith('sleep')) await sleep(5);
      (parent.stdio[3] as Writable).end();
      while (isProcessAlive(ended)) await sleep(5);
      process.kill(ended, 0);
      const names = [ended, parent.pid, process.pid].map((pid) => `.shard-00000.${pid}.0123abcd.tmp`);
      for (const name of names) await mkdir(join(folder.path, name));
      await sweepTemporaries(folder.path);
      assert.deepEqual((await readdir(folder.path)).sort(), names.slice(1).sort());
    } finally {
      parent.kill('SIGKILL');
    }
  });
});
