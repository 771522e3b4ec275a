/** Signals as an AbortSignal: the first SIGINT or SIGTERM asks for an orderly end, the second one ends the process. */

export interface Lifecycle {
  /** Aborted at the first signal. */
  readonly signal: AbortSignal;
  /** Takes the handlers away again. */
  dispose(): void;
}

/** Exit code of a process ended by SIGINT, by the shell's convention: 128 + 2. */
const EXIT_INTERRUPTED = 130;

export function watchSignals(onFirst?: (signal: NodeJS.Signals) => void): Lifecycle {
  const controller = new AbortController();
  const handle = (signal: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(EXIT_INTERRUPTED);
    onFirst?.(signal);
    controller.abort();
  };
  // A command that was started by `millrace run` ends with it, however that ended.
  const handleDisconnect = (): void => handle('SIGTERM');
  process.on('SIGINT', handle);
  process.on('SIGTERM', handle);
  process.on('disconnect', handleDisconnect);
  return {
    signal: controller.signal,
    dispose() {
      process.off('SIGINT', handle);
      process.off('SIGTERM', handle);
      process.off('disconnect', handleDisconnect);
    },
  };
}

/** Resolves after `ms`, or at once when the signal is aborted; never rejects. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve();
      return;
    }
    const finish = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal?.addEventListener('abort', finish, { once: true });
  });
}
