/** Structured logs: JSON lines on stderr (stdout belongs to a command's result). */
import { createRequire } from 'node:module';
import type * as Pino from 'pino';
import type { LogLevel } from './environment.js';

export type { Logger } from 'pino';

const require = createRequire(import.meta.url);

/** Logs synchronously, so that the last line before a crash is there. */
export function createLogger(part: string, level: LogLevel): Pino.Logger {
  // Here and not above: most commands never log.
  const { pino } = require('pino') as typeof Pino;
  return pino(
    { name: `millrace-${part}`, level, timestamp: pino.stdTimeFunctions.isoTime, base: { pid: process.pid } },
    pino.destination({ dest: 2, sync: true }),
  );
}
