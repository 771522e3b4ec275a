/** Local files as archives: linked where the file system allows it, else copied; verified before they get the name. */
import { copyFile, link, open, rm, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Archive } from '../../lib/catalog/dataset-schema.js';
import { codeOf, messageOf, MillraceError } from '../../lib/core/errors.js';
import { commitRename, temporaryPathFor } from '../../lib/platform/atomic-file.js';
import { toDiskError } from '../../lib/platform/system-error.js';
import { digestFile, type FileDigest } from '../../lib/platform/known-digest.js';
import { digestNamesOf, digestProblem, verificationError } from './expected-digest.js';

export interface AdoptOptions {
  readonly signal: AbortSignal | undefined;
  /** Called as bytes are checked. */
  readonly onBytes: (done: number) => void;
}

/**
 * Takes the file of a `file:` URL in at `target`; the file itself is left as it is. Throws ERR_NOT_FOUND when it cannot be read,
 * ERR_VERIFICATION when it is not the archive (by its length, before a byte is read), ERR_DISK, InterruptedError.
 */
export async function adoptFile(
  url: string,
  archive: Archive,
  target: string,
  { signal, onBytes }: AdoptOptions,
): Promise<FileDigest> {
  const source = fileURLToPath(url);
  const requireNoProblem = (found: Parameters<typeof digestProblem>[1]): void => {
    const problem = digestProblem(archive, found);
    if (problem === undefined) return;
    throw verificationError(
      archive,
      found,
      `${problem} in ${source}`,
      'Put the right file there, or use another source',
    );
  };
  requireNoProblem({ bytes: await sizeOf(source) });
  const temporary = temporaryPathFor(target);
  try {
    await linkOrCopy(source, temporary);
    const found = await digestFile(temporary, signal, onBytes, digestNamesOf(archive));
    requireNoProblem(found);
    await commitRename(temporary, target);
    return found;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function sizeOf(source: string): Promise<number> {
  try {
    return (await stat(source)).size;
  } catch (error) {
    throw new MillraceError('ERR_NOT_FOUND', `cannot read ${source}: ${messageOf(error)}`, {
      cause: error,
      context: { path: source },
    });
  }
}

async function linkOrCopy(source: string, temporary: string): Promise<void> {
  try {
    await link(source, temporary);
    return;
  } catch (error) {
    // Another file system, one without links, or a file of somebody else.
    if (!['EXDEV', 'EPERM', 'EACCES', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP'].includes(codeOf(error) ?? '')) {
      throw toDiskError(error, temporary);
    }
  }
  try {
    await copyFile(source, temporary);
    const copy = await open(temporary, 'r+');
    await copy.sync().finally(() => copy.close());
  } catch (error) {
    throw toDiskError(error, temporary);
  }
}
