/** Structured logs: JSON lines on stderr (stdout belongs to a command's result). */
import { createRequire } from 'node:module';
import type * as Pino from 'pino';
import { MillraceError } from '../core/errors.js';
import type { LogLevel } from './environment.js';

export type { Logger } from 'pino';

const require = createRequire(import.meta.url);

/** The stack of a bug; of an error raised on purpose its facts, as where it was raised helps nobody. */
function describeError(error: unknown): unknown {
  const { stdSerializers } = require('pino') as typeof Pino;
  if (!(error instanceof MillraceError) || error.code === 'ERR_INTERNAL') return stdSerializers.err(error as Error);
  const { code, message, context, cause } = error;
  return { code, message, context, ...(cause === undefined ? {} : { cause: describeError(cause) }) };
}

/** Logs synchronously, so that the last line before a crash is there. */
export function createLogger(part: string, level: LogLevel): Pino.Logger {
  // Here and not above: most commands never log.
  const { pino } = require('pino') as typeof Pino;
  return pino(
    {
      name: `millrace-${part}`,
      level,
      timestamp: pino.stdTimeFunctions.isoTime,
      base: { pid: process.pid },
      serializers: { err: describeError },
    },
    pino.destination({ dest: 2, sync: true }),
  );
}
