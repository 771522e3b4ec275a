import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { mock } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { InterruptedError, MillraceError } from '../../../../lib/core/errors.js';
import { acquireLock } from '../../../../lib/platform/lock-file.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

describe('a lock file', () => {
  const folder = temporaryFolder();
  const pathOf = (name: string): string => join(folder.path, 'locks', `${name}.lock`);

  const writeLock = (path: string, pid: number, host: string): void => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, JSON.stringify({ id: 'other', pid, host, since: 'earlier' }));
  };
  const deadPid = (): number => Number(execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' }));

  it('names its owner while it is held, and is gone afterwards', async () => {
    const lock = await acquireLock(pathOf('plain'));
    assert.equal((JSON.parse(readFileSync(pathOf('plain'), 'utf8')) as { pid: number }).pid, process.pid);
    await lock.release();
    assert.deepEqual(readdirSync(join(folder.path, 'locks')), []);
  });

  it('is refused to a second taker, who is told by whom it is held', async () => {
    const lock = await acquireLock(pathOf('held'));
    await assert.rejects(
      acquireLock(pathOf('held')),
      (error: unknown) =>
        error instanceof MillraceError &&
        error.code === 'ERR_LOCKED' &&
        error.message.includes(`process ${process.pid} on ${hostname()}`),
    );
    await lock.release();
  });

  it('passes to who waits for it when it is given up', async () => {
    const first = await acquireLock(pathOf('waited'));
    let holder = '';
    const waiting = acquireLock(pathOf('waited'), {
      wait: true,
      onWait: (who) => {
        holder = who;
        void first.release();
      },
    });
    const second = await waiting;
    assert.match(holder, new RegExp(`process ${process.pid}`));
    await second.release();
  });

  it('is not waited for when the waiter is told to stop', async () => {
    const lock = await acquireLock(pathOf('stopped'));
    const controller = new AbortController();
    await assert.rejects(
      acquireLock(pathOf('stopped'), { wait: true, signal: controller.signal, onWait: () => controller.abort() }),
      InterruptedError,
    );
    await lock.release();
  });

  it('of a killed process is taken over, by one of many takers at once', async () => {
    const path = pathOf('dead');
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    writeLock(path, child.pid!, hostname());
    await assert.rejects(acquireLock(path), /ERR_LOCKED|is held by/);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const takers = await Promise.allSettled(Array.from({ length: 20 }, () => acquireLock(path)));
    const taken = takers.filter((taker) => taker.status === 'fulfilled');
    assert.equal(taken.length, 1);
    await taken[0].value.release();
    assert.equal(existsSync(path), false);
  });

  it('of a process that is gone and had our own process id is taken over, as after a restart in a container', async () => {
    const path = pathOf('restarted');
    writeLock(path, process.pid, hostname());
    await (await acquireLock(path)).release();
    assert.equal(existsSync(path), false);
  });

  it('of another machine is taken over only when its heartbeat is old', async () => {
    const path = pathOf('remote');
    writeLock(path, deadPid(), 'another-machine');
    await assert.rejects(acquireLock(path), /on another-machine/);
    const longAgo = new Date(Date.now() - 10 * 60_000);
    utimesSync(path, longAgo, longAgo);
    await (await acquireLock(path)).release();
  });

  it('tells other machines by a heartbeat that its holder goes on', async () => {
    mock.timers.enable({ apis: ['setInterval'] });
    try {
      const path = pathOf('beating');
      const lock = await acquireLock(path);
      utimesSync(path, 1, 1);
      mock.timers.tick(30_000);
      while (statSync(path).mtimeMs === 1000) await nextTurn();
      await lock.release();
    } finally {
      mock.timers.reset();
    }
  });

  it('that another process took over is not removed by its former holder', async () => {
    const path = pathOf('lost');
    const lock = await acquireLock(path);
    writeLock(path, process.pid, hostname());
    await lock.release();
    assert.equal((JSON.parse(readFileSync(path, 'utf8')) as { id: string }).id, 'other');
  });
});
