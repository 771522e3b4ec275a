/** Files that the system refuses: nobody's bug, and said in words for people. */
import { codeOf, messageOf, MillraceError } from '../core/errors.js';

type Advice = Readonly<Partial<Record<string, string>>>;

const AGAIN = 'then run the same command again, it goes on where it stopped';

/** What to do when a disk takes no more, by the system's name of the reason. */
const ON_WRITING: Advice = {
  ENOSPC: `the disk is full; free some room, ${AGAIN}`,
  EDQUOT: `the disk quota is used up; free some room, ${AGAIN}`,
  EIO: `the disk is full or failing; free some room or take another one, ${AGAIN}`,
  EFBIG: `no file may be that long there; raise the limit (ulimit -f) or choose another --root, ${AGAIN}`,
  EACCES: 'no permission; change the permissions or choose another --root',
  EPERM: 'not permitted; change the permissions or choose another --root',
  EROFS: 'the file system is read-only; choose another --root',
  ENOENT: 'the folder that it belongs into is not there; make it, or choose another place',
  ENOTDIR: 'a file is where a folder should be; move it away, or choose another place',
  EEXIST: 'something else is there; move it away, or choose another place',
  EISDIR: 'a folder is there; move it away, or choose another place',
};

const ON_PATHS: Advice = {
  ENOENT: 'no such file or folder; check the path',
  ENOTDIR: 'a part of the path is no folder; check the path',
  EISDIR: 'it is a folder; expected a file',
  ELOOP: 'links lead round in a circle; check the path',
  ENAMETOOLONG: 'the name is too long for the file system; choose a shorter one',
  EMFILE: 'too many files are open; raise the limit (ulimit -n)',
  ENFILE: 'too many files are open on this machine; close some programs',
};

/** The error as ERR_DISK that names the path, when a disk does not take what is written; anything else is returned as it is. */
export function toDiskError(error: unknown, path: string): unknown {
  return explain(error, path, `cannot write ${path}`, ON_WRITING);
}

/**
 * The same at the edge of the program, for an error that was not waited for where it came up: a path that cannot be used, for
 * reading or writing. What is returned as it is, is a bug.
 */
export function toUnforeseenDiskError(error: unknown): unknown {
  const { syscall, path } = (error ?? {}) as NodeJS.ErrnoException;
  if (syscall === undefined || path === undefined) return error;
  return explain(error, path, `cannot use ${path}`, { ...ON_WRITING, ...ON_PATHS });
}

function explain(error: unknown, path: string, what: string, advice: Advice): unknown {
  const reason = codeOf(error) ?? '';
  const todo = advice[reason];
  if (todo === undefined) return error;
  const message = `${what}: ${todo} (${messageOf(error)})`;
  return new MillraceError('ERR_DISK', message, { cause: error, context: { path, reason } });
}
