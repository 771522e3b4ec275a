/** Structured logs: JSON lines on stderr (stdout belongs to a command's result). */
import { pino, type Logger } from 'pino';
import type { LogLevel } from './environment.js';

export type { Logger } from 'pino';

/** Logs synchronously, so that the last line before a crash is there. */
export function createLogger(part: string, level: LogLevel): Logger {
  return pino(
    { name: `millrace-${part}`, level, timestamp: pino.stdTimeFunctions.isoTime, base: { pid: process.pid } },
    pino.destination({ dest: 2, sync: true }),
  );
}
