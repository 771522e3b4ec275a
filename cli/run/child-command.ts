/** A command of this program as a process of its own: its progress passed on, its result handed back. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { InterruptedError, MillraceError, throwIfAborted, type ErrorCode } from '../../lib/core/errors.js';
import type { Reporter } from '../../lib/platform/progress.js';

export interface ChildOptions {
  readonly root: string;
  readonly reporter: Reporter;
  /** Ends the child in an orderly way when aborted. */
  readonly signal: AbortSignal;
}

/** A command that goes on until it is stopped. */
export interface RunningCommand {
  /** Fields of its event `listening`. */
  readonly listening: Readonly<Record<string, unknown>>;
  /**
   * Does work that needs the command, then asks it to end and waits until it has. Ends the work when the command ends of
   * itself, and throws what that reported.
   */
  during<T>(work: (options: ChildOptions) => Promise<T>): Promise<T>;
}

/** Events that say nothing to who started the child: its result is handed back, and it is this process that ends it. */
const QUIET_EVENTS = new Set(['result', 'interrupted']);

const lineSchema = z.looseObject({ event: z.string() });
type Line = z.output<typeof lineSchema>;

/** Runs a command to its end and returns the fields of its result, checked. Throws the error that the command reported. */
export async function runCommand<Schema extends z.ZodType>(
  args: readonly string[],
  resultSchema: Schema,
  options: ChildOptions,
): Promise<z.output<Schema>> {
  throwIfAborted(options.signal);
  const child = start(args, options);
  let result: Line | undefined;
  const end = await follow(child, options, (line) => {
    if (line.event === 'result') result = line;
  });
  if (end !== undefined) throw end;
  return resultSchema.parse(result);
}

/** Starts a command that serves, and waits until it listens. Throws the error that the command reported. */
export async function startCommand(args: readonly string[], options: ChildOptions): Promise<RunningCommand> {
  throwIfAborted(options.signal);
  const child = start(args, options);
  let tellListening: (line: Line) => void = () => undefined;
  const isListening = new Promise<Line>((resolve) => (tellListening = resolve));
  const ended = follow(child, options, (line) => {
    if (line.event === 'listening') tellListening(line);
  });
  const first = await Promise.race([isListening, ended]);
  if (first === undefined || first instanceof Error) {
    throw first ?? new MillraceError('ERR_INTERNAL', `millrace ${args[0]} ended before it listened`);
  }
  return {
    listening: first,
    async during(work) {
      const lost = new AbortController();
      void ended.then(() => lost.abort());
      try {
        return await work({ ...options, signal: AbortSignal.any([options.signal, lost.signal]) });
      } catch (error) {
        throw lost.signal.aborted ? ((await ended) ?? error) : error;
      } finally {
        child.kill('SIGTERM');
        await ended;
      }
    },
  };
}

function start(args: readonly string[], { root }: ChildOptions): ChildProcess {
  const main = join(import.meta.dirname, '..', 'main.js');
  return spawn(process.execPath, [main, ...args, '--root', root, '--json'], {
    // A process group of its own: Ctrl-C reaches this process alone, which passes it on, once. By the channel a child learns
    // that this process is gone, and ends too.
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
}

/** Passes on what a child tells until it ends; resolves to its error, if any. */
async function follow(
  child: ChildProcess,
  { reporter, signal }: ChildOptions,
  onLine: (line: Line) => void,
): Promise<Error | undefined> {
  const stop = (): void => {
    child.kill('SIGTERM');
  };
  signal.addEventListener('abort', stop, { once: true });
  let failure: Error | undefined;
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  if (child.stdout !== null) {
    for await (const text of createInterface({ input: child.stdout })) {
      const line = lineSchema.parse(JSON.parse(text));
      if (line.event === 'progress') passProgress(reporter, line);
      else if (line.event === 'error') failure = errorOf(line);
      else if (!QUIET_EVENTS.has(line.event)) reporter.event(line.event, String(line['message']), line);
      onLine(line);
    }
  }
  const [code, killedBy] = await exited;
  signal.removeEventListener('abort', stop);
  if (signal.aborted) return new InterruptedError();
  if (failure !== undefined || code === 0) return failure;
  return new MillraceError(
    'ERR_WORKER_LOST',
    `${child.spawnargs[2]} ended with ${killedBy ?? `exit code ${code}`}; run the same command again, it goes on where it stopped`,
  );
}

const progressSchema = z.object({
  stage: z.string(),
  unit: z.enum(['bytes', 'images', 'steps', 'files']),
  done: z.number(),
  total: z.number().optional(),
  detail: z.string().optional(),
});

function passProgress(reporter: Reporter, line: Line): void {
  reporter.progress(progressSchema.parse(line));
}

function errorOf(line: Line): Error {
  return new MillraceError(line['code'] as ErrorCode, String(line['message']));
}
