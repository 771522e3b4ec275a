/** The parent's end of one worker process. */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { InterruptedError, MillraceError } from '../lib/core/errors.js';
import type { ConvertObserver } from './convert-shard.js';
import type { ConvertedShard, WorkerMessage, WorkerOrder } from './task.js';

const MAIN = fileURLToPath(new URL('./worker-main.js', import.meta.url));

/** Thrown when a worker died or fell silent in the middle of a task; another one may do it. */
export class WorkerLost extends Error {
  override readonly name = 'WorkerLost';
  /**
   * Index of the first record that was not known to be done; of the very one that was begun, when the attempt was careful.
   * Undefined: the worker had not said anything yet.
   */
  readonly position: number | undefined;

  constructor(reason: string, position: number | undefined) {
    super(reason);
    this.position = position;
  }
}

export class WorkerProcess {
  private readonly child: ChildProcess;
  private readonly exited: Promise<void>;

  /** @param turbojpeg path of libturbojpeg, or `none` */
  constructor(turbojpeg: string) {
    this.child = fork(MAIN, [String(process.pid), turbojpeg], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: [],
    });
    this.exited = new Promise((resolve) => this.child.once('exit', () => resolve()));
    // Told to whoever waits for a task; with nobody waiting it must not end the parent.
    this.child.on('error', () => undefined);
  }

  get hasExited(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /**
   * Has a task done; one at a time. When it throws anything, this worker is not to be used again.
   * Throws WorkerLost when the process dies or says nothing for `timeoutMs`, InterruptedError when the signal is aborted, and
   * what the task failed of.
   */
  async convert(
    order: WorkerOrder,
    observer: ConvertObserver,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<ConvertedShard> {
    const { child } = this;
    let position: number | undefined;
    return new Promise<ConvertedShard>((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(silence);
        child.off('message', hear).off('exit', leave).off('error', fail);
        signal.removeEventListener('abort', interrupt);
        act();
      };
      const hear = (message: WorkerMessage): void => {
        silence.refresh();
        if (message.kind === 'progress') {
          position = message.numDone;
          void observer.onProgress(message.numDone);
        } else if (message.kind === 'rejected') {
          observer.onRejected(message.rejected);
        } else {
          settle(() => (message.kind === 'done' ? resolve(message.shard) : reject(errorOf(message))));
        }
      };
      const leave = (code: number | null, killedBy: string | null): void => {
        const how = killedBy === null ? `ended with code ${code ?? '?'}` : `was ended by ${killedBy}`;
        settle(() => reject(new WorkerLost(how, position)));
      };
      const fail = (error: Error): void => settle(() => reject(new WorkerLost(error.message, position)));
      const interrupt = (): void => settle(() => reject(new InterruptedError()));
      const silence = setTimeout(() => {
        settle(() => reject(new WorkerLost(`said nothing for ${timeoutMs / 1000} s`, position)));
      }, timeoutMs);

      child.on('message', hear).on('exit', leave).on('error', fail);
      signal.addEventListener('abort', interrupt, { once: true });
      if (signal.aborted) interrupt();
      else child.send(order, (error) => (error === null ? undefined : fail(error)));
    });
  }

  /** Lets the worker drop what it does, clean up and end; kills it when that takes longer than `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    const wasStarted = this.child.pid !== undefined;
    if (!wasStarted) return;
    if (this.child.connected) this.child.disconnect();
    const overdue = setTimeout(() => this.child.kill('SIGKILL'), graceMs);
    await this.exited;
    clearTimeout(overdue);
  }
}

function errorOf({ code, message, context }: Extract<WorkerMessage, { kind: 'failed' }>): MillraceError {
  if (code === 'ERR_INTERRUPTED') return new InterruptedError();
  return new MillraceError(code ?? 'ERR_INTERNAL', message, { context });
}
