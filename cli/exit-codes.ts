/** What a command's exit code says: 0 done, 1 failed, 2 wrong usage, 3 data failed verification, 130 interrupted (state kept), 141 nobody reads. */
import { MillraceError } from '../lib/core/errors.js';

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
export const EXIT_VERIFICATION = 3;
export const EXIT_INTERRUPTED = 130;
/** What a shell says of a program that SIGPIPE ended: whoever read the output (`| head`) has gone. */
export const EXIT_UNREAD = 141;

export function exitCodeOf(error: unknown): number {
  if (!(error instanceof MillraceError)) return EXIT_FAILED;
  switch (error.code) {
    case 'ERR_USAGE':
      return EXIT_USAGE;
    case 'ERR_VERIFICATION':
    case 'ERR_SHARD_CORRUPT':
      return EXIT_VERIFICATION;
    case 'ERR_INTERRUPTED':
      return EXIT_INTERRUPTED;
    default:
      return EXIT_FAILED;
  }
}
