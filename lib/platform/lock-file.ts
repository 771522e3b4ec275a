/**
 * One process a target: a lock file with its owner and a heartbeat. Correctness does not rest on it (commits are renames); it
 * keeps two processes from doing the same work, and says who does it.
 */
import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { z } from 'zod';
import { codeOf, MillraceError, throwIfAborted } from '../core/errors.js';
import { isProcessAlive, temporaryPathFor } from './atomic-file.js';
import { sleep } from './lifecycle.js';
import { makeFolder } from './make-folder.js';
import { toDiskError } from './system-error.js';

const HEARTBEAT_MS = 5_000;
/** A lock of another machine whose heartbeat is older than this is taken over. */
const STALE_MS = 60_000;
const WAIT_STEP_MS = 500;

export interface Lock {
  /** Gives the lock up; one that was taken over by another process meanwhile is left alone. */
  release(): Promise<void>;
}

export interface LockOptions {
  /** Wait until the holder is done instead of failing. Default false. */
  readonly wait?: boolean;
  readonly signal?: AbortSignal;
  /** Called once when there is a holder to wait for. */
  readonly onWait?: (holder: string) => void;
}

const ownerSchema = z.object({ id: z.string(), pid: z.int(), host: z.string(), since: z.string() });
type Owner = z.infer<typeof ownerSchema>;

/** Ids of the locks that this very process holds: another one with our process id is of one that is gone (in a container, every one is 1). */
const ownIds = new Set<string>();

/**
 * Takes the lock file at `path`, making its folder if need be. The lock of a process that is gone is taken over.
 * Throws ERR_LOCKED, naming the holder, when another process holds it and `wait` is not set; ERR_DISK.
 */
export async function acquireLock(path: string, options: LockOptions = {}): Promise<Lock> {
  await makeFolder(dirname(path));
  const owner: Owner = { id: randomUUID(), pid: process.pid, host: hostname(), since: new Date().toISOString() };
  let hasAnnounced = false;
  while (true) {
    throwIfAborted(options.signal);
    if (await tryCreate(path, owner)) return hold(path, owner);
    const holder = await ownerOf(path);
    if (holder === undefined) continue;
    if (await isGone(path, holder)) {
      await removeLockOf(path, holder);
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

/** Makes the file with its content in one step, so that a lock is never seen without its owner. */
async function tryCreate(path: string, owner: Owner): Promise<boolean> {
  const temporary = temporaryPathFor(path);
  ownIds.add(owner.id);
  try {
    await writeFile(temporary, JSON.stringify(owner));
    await link(temporary, path);
    return true;
  } catch (error) {
    ownIds.delete(owner.id);
    if (codeOf(error) === 'EEXIST') return false;
    throw toDiskError(error, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

function hold(path: string, owner: Owner): Lock {
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, HEARTBEAT_MS);
  heartbeat.unref();
  return {
    async release() {
      clearInterval(heartbeat);
      await removeLockOf(path, owner);
      ownIds.delete(owner.id);
    },
  };
}

/** Undefined when there is no lock any more. */
async function ownerOf(path: string): Promise<Owner | undefined> {
  try {
    return ownerSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw new MillraceError('ERR_LOCKED', `${path} is no lock file of Millrace; remove it if nothing runs here`, {
      cause: error,
      context: { path },
    });
  }
}

/**
 * Removes the lock only if it is this owner's. It is renamed first, since between a look and a removal another process may
 * have put its own lock there; that one is put back.
 */
async function removeLockOf(path: string, owner: Owner): Promise<void> {
  const aside = temporaryPathFor(path);
  try {
    await rename(path, aside);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  if ((await ownerOf(aside))?.id !== owner.id) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}

async function isGone(path: string, { id, pid, host }: Owner): Promise<boolean> {
  if (host === hostname()) return pid === process.pid ? !ownIds.has(id) : !isProcessAlive(pid);
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }));
  return Date.now() - mtimeMs > STALE_MS;
}
