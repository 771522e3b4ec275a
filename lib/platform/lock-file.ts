/**
 * One process a target: a lock file with its owner and a heartbeat. Correctness does not rest on it (commits are renames); it
 * keeps two processes from doing the same work, and says who does it.
 */
import { readFileSync, statSync } from 'node:fs';
import { mkdir, open, rm, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { codeOf, MillraceError, throwIfAborted } from '../core/errors.js';
import { isProcessAlive } from './atomic-file.js';
import { sleep } from './lifecycle.js';

const HEARTBEAT_MS = 5_000;
/** A lock of another machine whose heartbeat is older than this is taken over. */
const STALE_MS = 60_000;
const WAIT_STEP_MS = 500;

export interface Lock {
  release(): Promise<void>;
}

export interface LockOptions {
  /** Wait until the holder is done instead of failing. Default false. */
  readonly wait?: boolean;
  readonly signal?: AbortSignal;
  /** Called once when there is a holder to wait for. */
  readonly onWait?: (holder: string) => void;
}

/**
 * Takes the lock file at `path`, making its folder if need be. The lock of a process that is gone is taken over.
 * Throws ERR_LOCKED, naming the holder, when another process holds it and `wait` is not set.
 */
export async function acquireLock(path: string, options: LockOptions = {}): Promise<Lock> {
  await mkdir(dirname(path), { recursive: true });
  let hasAnnounced = false;
  while (true) {
    throwIfAborted(options.signal);
    const lock = await tryAcquire(path);
    if (lock !== undefined) return lock;
    const holder = holderOf(path);
    if (holder === undefined) continue;
    if (isGone(holder)) {
      await rm(path, { force: true });
      continue;
    }
    const who = `process ${holder.pid} on ${holder.host}, since ${holder.since}`;
    if (options.wait !== true) {
      throw new MillraceError('ERR_LOCKED', `${path} is held by ${who}; wait for it with --wait, or stop it`, {
        context: { path, pid: holder.pid, host: holder.host },
      });
    }
    if (!hasAnnounced) options.onWait?.(who);
    hasAnnounced = true;
    await sleep(WAIT_STEP_MS, options.signal);
  }
}

interface Holder {
  readonly pid: number;
  readonly host: string;
  readonly since: string;
  readonly lastHeartbeatMs: number;
}

async function tryAcquire(path: string): Promise<Lock | undefined> {
  try {
    const file = await open(path, 'wx');
    await file.writeFile(JSON.stringify({ pid: process.pid, host: hostname(), since: new Date().toISOString() }));
    await file.close();
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return undefined;
    throw error;
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, HEARTBEAT_MS);
  heartbeat.unref();
  return {
    async release() {
      clearInterval(heartbeat);
      await rm(path, { force: true });
    },
  };
}

/** Undefined when the file went away meanwhile. A file that is not ours to read counts as held by process 0. */
function holderOf(path: string): Holder | undefined {
  try {
    const lastHeartbeatMs = statSync(path).mtimeMs;
    const text = readFileSync(path, 'utf8');
    try {
      const { pid, host, since } = JSON.parse(text) as { pid: number; host: string; since: string };
      return { pid, host, since, lastHeartbeatMs };
    } catch {
      // Made a moment ago and not filled yet, or its maker was killed between the two.
      return { pid: 0, host: 'unknown', since: 'unknown', lastHeartbeatMs };
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function isGone({ pid, host, lastHeartbeatMs }: Holder): boolean {
  const ageMs = Date.now() - lastHeartbeatMs;
  if (pid === 0) return ageMs > HEARTBEAT_MS;
  return host === hostname() ? !isProcessAlive(pid) : ageMs > STALE_MS;
}
