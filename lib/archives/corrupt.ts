import { MillraceError } from '../core/errors.js';

/** The error of an archive that cannot be read: names the archive, the offset in bytes of what is wrong, and what to do. */
export function archiveCorrupt(path: string, offset: number, what: string, cause?: unknown): MillraceError {
  return archiveError(path, offset, `${what}; remove the file and run "millrace download" again`, cause);
}

/** The error of an archive that is whole but of a kind that is not read: fetching it again would not help, packing it anew does. */
export function archiveUnsupported(path: string, offset: number, what: string): MillraceError {
  return archiveError(path, offset, `${what}; unpack it and pack it anew as a plain tar or zip`);
}

function archiveError(path: string, offset: number, text: string, cause?: unknown): MillraceError {
  return new MillraceError('ERR_ARCHIVE_CORRUPT', `${path}: at byte ${offset}: ${text}`, {
    cause,
    context: { path, offset },
  });
}
