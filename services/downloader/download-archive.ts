/** One archive to its place: what is there already, else a local file, else the web; one process at a time. */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Archive } from '../../lib/catalog/dataset-schema.js';
import { MillraceError } from '../../lib/core/errors.js';
import { digestFile, recallDigest, rememberDigest, type FileDigest } from '../../lib/platform/known-digest.js';
import { acquireLock } from '../../lib/platform/lock-file.js';
import { formatBytes, type Reporter } from '../../lib/platform/progress.js';
import { archivePath, archivesFolder } from '../../lib/platform/root-layout.js';
import { adoptFile } from './adopt-file.js';
import { exists, setAside } from './corrupt-copy.js';
import {
  digestNamesOf,
  digestProblem,
  hasDigest,
  isProof,
  proofText,
  verificationError,
  type FoundDigest,
} from './expected-digest.js';
import { fetchArchive, removePart, type FetchContext } from './fetch-archive.js';
import type { TransferTally } from './intake.js';

/** What became of one archive. */
export interface ArchiveSummary {
  readonly file: string;
  readonly bytes: number;
  /** Bytes that came over the network in this run; 0 when the archive was there. */
  readonly bytesFetched: number;
  /** Offsets at which this run went on with an earlier or a broken transfer. */
  readonly resumedAt: readonly number[];
  /** MD5 of the file as it is. */
  readonly md5: string;
  /** False when no digest is known to compare with: `md5` is then just what was found. */
  readonly isVerified: boolean;
  readonly seconds: number;
}

export interface ArchiveContext extends Omit<FetchContext, 'tally'> {
  readonly root: string;
  /** Wait for another process that fetches the same archive. */
  readonly wait: boolean;
}

/**
 * Brings `archive` to `<root>/archives/<file>`, whole and, where a digest is known, verified.
 * Throws ERR_NOT_FOUND when it has no source and is not there, ERR_LOCKED, ERR_DISK, ERR_VERIFICATION, ERR_TRANSFER,
 * ERR_TRANSFER_REFUSED (the last source's, when there are several), InterruptedError.
 */
export async function downloadArchive(archive: Archive, context: ArchiveContext): Promise<ArchiveSummary> {
  const begunAtMs = performance.now();
  const { root, wait, signal, reporter } = context;
  const target = archivePath(root, archive.file);
  const tally: TransferTally = { bytesFetched: 0, resumedAt: [] };

  const lock = await acquireLock(`${target}.lock`, {
    wait,
    ...(signal !== undefined && { signal }),
    onWait: (holder) =>
      reporter.event('waiting', `${archive.file}: waiting for ${holder}`, { file: archive.file, holder }),
  });
  try {
    await sweepLeftovers(root, archive.file);
    const known = await recallDigest(target);
    const isKnown = known !== undefined && isProof(archive, known) && digestProblem(archive, known) === undefined;
    const found = isKnown ? known : await findOrFetch(archive, target, { ...context, tally });
    if (!isKnown) {
      await rememberDigest(target, found);
      reportFound(archive, found, reporter);
    }
    await removePart(target);
    context.onBytes(found.bytes, found.bytes);
    return {
      file: archive.file,
      bytes: found.bytes,
      md5: found.md5,
      ...tally,
      isVerified: hasDigest(archive),
      seconds: (performance.now() - begunAtMs) / 1000,
    };
  } finally {
    await lock.release();
  }
}

/** Removes what killed processes left half-written for this archive; the lock says that nobody is at it now. */
async function sweepLeftovers(root: string, file: string): Promise<void> {
  const folder = archivesFolder(root);
  for (const name of await readdir(folder)) {
    const isOfFile = name.startsWith(`.${file}.`);
    const rest = name.slice(file.length + 2);
    if (isOfFile && /^((part|verified)\.json\.)?\d+\.[0-9a-f]{8}\.tmp$/.test(rest)) await rm(join(folder, name));
  }
}

async function findOrFetch(archive: Archive, target: string, context: FetchContext): Promise<FileDigest> {
  if (await exists(target)) return checkInPlace(archive, target, context);
  const { file, urls } = archive;
  const isLocal = (url: string): boolean => url.startsWith('file:');
  const remote = urls.filter((url) => !isLocal(url));
  for (const [index, url] of urls.filter(isLocal).entries()) {
    try {
      return await adoptFile(url, archive, target, {
        signal: context.signal,
        onBytes: (done) => context.onBytes(done, archive.bytes, `checking ${file}`),
      });
    } catch (error) {
      const isLast = index === urls.length - remote.length - 1 && remote.length === 0;
      if (isLast || !(error instanceof MillraceError)) throw error;
      if (error.code !== 'ERR_VERIFICATION' && error.code !== 'ERR_NOT_FOUND') throw error;
      const text = `${error.message}\n${file}: going on with the next source`;
      context.reporter.event('source-failed', text, { file, code: error.code, message: error.message });
    }
  }
  if (remote.length > 0) return fetchArchive(archive, remote, target, context);
  throw new MillraceError('ERR_NOT_FOUND', `${file} cannot be fetched: place ${file} at ${target}`, {
    context: { file, path: target },
  });
}

/** The digest of the archive that lies in its place, put there by hand; a wrong one is set aside. */
async function checkInPlace(archive: Archive, target: string, { signal, onBytes }: FetchContext): Promise<FileDigest> {
  const requireNoProblem = async (found: FoundDigest): Promise<void> => {
    const problem = digestProblem(archive, found);
    if (problem === undefined) return;
    const aside = await setAside(target, target);
    const whatToDo =
      archive.urls.length > 0 ? 'run the same command again to fetch it' : `place the right one at ${target}`;
    throw verificationError(archive, found, problem, `It was set aside as ${aside}; ${whatToDo}`);
  };
  // A file that is too short or too long need not be read.
  await requireNoProblem({ bytes: (await stat(target)).size });
  const onCheck = (done: number): void => onBytes(done, archive.bytes, `checking ${archive.file}`);
  const found = await digestFile(target, signal, onCheck, digestNamesOf(archive));
  await requireNoProblem(found);
  return found;
}

function reportFound(archive: Archive, { bytes, md5 }: FileDigest, reporter: Reporter): void {
  const { file } = archive;
  const text = `${file}: ${formatBytes(bytes)}, ${proofText(archive, md5)}`;
  reporter.event(hasDigest(archive) ? 'verified' : 'unverified', text, { file, bytes, md5 });
}
