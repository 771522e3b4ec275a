/** Going from server to server until one serves. */
import { backoffMs, type BackoffOptions } from '../../../lib/core/backoff.js';
import { MillraceError } from '../../../lib/core/errors.js';
import { sleep } from '../../../lib/platform/lifecycle.js';
import { throwIfStopped } from './batch-stream.js';
import type { Connection } from './connection.js';
import type { ReconnectEvent } from './options.js';
import { toClientError } from './rpc-error.js';

export interface FailoverOptions {
  readonly backoff?: BackoffOptions | undefined;
  /** Milliseconds of failures in a row after which the work fails. */
  readonly giveUpMs: number;
  readonly onRetry: (event: Omit<ReconnectEvent, 'position'>) => void;
  readonly signal: AbortSignal;
}

/**
 * Yields what `work` yields, with one connection after another until it comes to its end. What it yields counts as progress and
 * sets the clock of failures back.
 * Throws what no other server can mend, ERR_UNAVAILABLE after `giveUpMs`, InterruptedError when the signal is aborted.
 */
export async function* withFailover<T>(
  connections: readonly Connection[],
  { backoff = {}, giveUpMs, onRetry, signal }: FailoverOptions,
  work: (connection: Connection) => AsyncGenerator<T, void, undefined>,
): AsyncGenerator<T, void, undefined> {
  let attempt = 0;
  let failingSinceMs: number | undefined;
  for (let index = 0; ; index++) {
    throwIfStopped(signal);
    const connection = connections[index % connections.length];
    try {
      for await (const item of work(connection)) {
        attempt = 0;
        failingSinceMs = undefined;
        yield item;
      }
      return;
    } catch (thrown) {
      throwIfStopped(signal);
      const error = toClientError(thrown, connection.server);
      failingSinceMs ??= performance.now();
      if (!error.isRetryable) throw error;
      if (performance.now() - failingSinceMs > giveUpMs) {
        const servers = connections.map(({ server }) => server).join(', ');
        throw new MillraceError(
          'ERR_UNAVAILABLE',
          `no server of ${servers} answered for ${Math.round(giveUpMs / 1000)} s; the last one said: ${error.message}`,
          { cause: error },
        );
      }
      // The other servers are tried at once; only when each has failed does the client wait.
      const hasTriedAll = (index + 1) % connections.length === 0;
      const waitMs = hasTriedAll ? backoffMs(attempt++, backoff) : 0;
      onRetry({ server: connection.server, reason: error.message, waitMs });
      await sleep(waitMs, signal);
    }
  }
}
