import { MillraceError } from '../core/errors.js';

/** The error of an archive that cannot be read: names the archive, the offset in bytes of what is wrong, and what to do. */
export function archiveCorrupt(path: string, offset: number, what: string, cause?: unknown): MillraceError {
  return new MillraceError(
    'ERR_ARCHIVE_CORRUPT',
    `${path}: at byte ${offset}: ${what}; remove the file and run "millrace download" again`,
    { cause, context: { path, offset } },
  );
}
