/** Sockets in the file system: one is left behind by every server that was killed, and must not keep the next from listening. */
import { lstat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { codeOf, messageOf, MillraceError, UsageError } from '../core/errors.js';

/** What a socket's path begins with where an address is expected. */
export const UNIX_PREFIX = 'unix:';

/** What a system keeps of such a path; Node cuts off what is longer, without a word. */
const MAX_PATH_BYTES = process.platform === 'linux' ? 107 : 103;

/**
 * Removes the socket at `path` if no server listens at it any more.
 * Throws UsageError when the path is too long or something else than a socket is there, ERR_UNAVAILABLE when a server still listens or nobody may know.
 */
export async function removeStaleSocket(path: string): Promise<void> {
  const numBytes = Buffer.byteLength(path);
  if (numBytes > MAX_PATH_BYTES) {
    throw new UsageError(
      '--listen',
      `--listen: expected a path of at most ${MAX_PATH_BYTES} bytes, got ${numBytes}: ${path}`,
    );
  }
  try {
    const found = await lstat(path);
    if (!found.isSocket()) {
      throw new UsageError('--listen', `--listen: ${path} is there and is no socket; name another path, or remove it`);
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  const cause = await refusalOf(path);
  if (codeOf(cause) !== 'ECONNREFUSED') {
    const what = cause === undefined ? 'another server listens there' : messageOf(cause);
    throw new MillraceError('ERR_UNAVAILABLE', `cannot listen on ${UNIX_PREFIX}${path}: ${what}`, { cause });
  }
  await unlink(path);
}

/** Why nobody can connect to it; undefined: somebody listens. */
function refusalOf(path: string): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('error', resolve);
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
  });
}
