/** Runs a downloader in a process of its own, and says what it took. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Of a process and the children it waited for. */
export interface Usage {
  readonly seconds: number;
  /** User + system time. */
  readonly cpuSeconds: number;
  /** Largest resident set. */
  readonly peakBytes: number;
  /** Bytes that it got from read calls, of files and sockets alike. */
  readonly bytesRead: number;
}

/** No proxy, and no habits of the user's: `home` is an empty folder. */
export function plainEnvironment(home: string): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(([name]) => !/_proxy$/i.test(name));
  return { ...Object.fromEntries(entries), HOME: home };
}

/** Calls `use` with a new folder in `parent`, and removes it. */
export async function withFolder<T>(parent: string, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(parent, 'run-'));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Starts `command` in a process group of its own, silent; `folder` is its home. */
export function startQuietly([program, ...args]: readonly string[], folder: string): ChildProcess {
  return spawn(program, args, { stdio: 'ignore', env: plainEnvironment(folder), detached: true });
}

/** Kills a child of {@link startQuietly} with all that it started. */
export function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** The exit code as a shell would say it: 128 + 9 when the command was killed, 124 when it had to be, after `timeoutMs`. */
export async function exitCodeOf(child: ChildProcess, timeoutMs: number): Promise<number> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const end = (): void => killGroup(child);
  timeout.addEventListener('abort', end);
  const [code] = (await once(child, 'exit')) as [number | null];
  timeout.removeEventListener('abort', end);
  return timeout.aborted ? 124 : (code ?? 137);
}

const RUN_TIMEOUT_MS = 300_000;

/** The kernel adds what waited-for children read to what the shell itself read (a few kB). */
const WRAPPER = '"${@:2}"; code=$?; cat /proc/$$/io > "$1"; exit $code';

/** Runs `command` to its end. Throws when it fails: what it took would mean nothing. */
export async function measureRun(command: readonly string[], folder: string): Promise<Usage> {
  const ioFile = join(folder, 'io.txt');
  const timeFile = join(folder, 'time.txt');
  const timed = ['/usr/bin/time', '-q', '-f', '%e %U %S %M', '-o', timeFile, ...command];
  const child = startQuietly(['bash', '-c', WRAPPER, 'bash', ioFile, ...timed], folder);
  const exitCode = await exitCodeOf(child, RUN_TIMEOUT_MS);
  if (exitCode !== 0) throw new Error(`exit code ${exitCode} of: ${command.join(' ')}`);
  const [seconds, user, system, peakKib] = readFileSync(timeFile, 'utf8').trim().split(' ').map(Number);
  const bytesRead = Number(/^rchar: (\d+)$/m.exec(readFileSync(ioFile, 'utf8'))?.[1]);
  return { seconds, cpuSeconds: user + system, peakBytes: peakKib * 1024, bytesRead };
}
