import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isProcessAlive, sweepTemporaries } from '../../../../lib/platform/atomic-file.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

describe('the sweep of what killed processes left', () => {
  const folder = temporaryFolder();

  it('takes the temporaries of a process that has ended though its parent never asked, and no other', async function () {
    if (process.platform !== 'linux') this.skip();
    // The shell turns, before its child ends, into a program that knows nothing of it.
    const parent = spawn('sh', ['-c', 'sleep 0.3 & echo $!; exec sleep 600'], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const [line] = (await once(parent.stdout, 'data')) as [Buffer];
      const ended = Number(line.toString());
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
