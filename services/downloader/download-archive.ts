/** One archive to its place: what is there already, else its sources one after the other, then the proof and the rename. */
import { copyFile, link, open, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Archive } from '../../lib/catalog/dataset-schema.js';
import { codeOf, messageOf, MillraceError } from '../../lib/core/errors.js';
import { commitRename, temporaryPathFor, toDiskError } from '../../lib/platform/atomic-file.js';
import { acquireLock } from '../../lib/platform/lock-file.js';
import { formatBytes, type Reporter } from '../../lib/platform/progress.js';
import { archivePath } from '../../lib/platform/root-layout.js';
import type { HttpOptions } from './http-get.js';
import { journalPath, readJournal } from './journal.js';
import { PartFile } from './part-file.js';
import { transfer, type TransferTally } from './transfer.js';
import { displayUrl } from './transfer-errors.js';
import {
  digestFile,
  digestProblem,
  exists,
  recallDigest,
  rememberDigest,
  setAside,
  verificationError,
  type FileDigest,
} from './verified-file.js';

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

export interface ArchiveContext extends HttpOptions {
  readonly root: string;
  /** Wait for another process that fetches the same archive. */
  readonly wait: boolean;
  readonly reporter: Reporter;
  /** Called as bytes come or are checked; `detail` says which when it is not a transfer. */
  readonly onBytes: (done: number, total: number | undefined, detail?: string) => void;
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

  const lockPath = `${target}.lock`;
  const lock = await acquireLock(lockPath, {
    wait,
    ...(signal !== undefined && { signal }),
    onWait: (holder) =>
      reporter.event('waiting', `${archive.file}: waiting for ${holder}`, { file: archive.file, holder }),
  }).catch((error: unknown) => {
    throw toDiskError(error, lockPath);
  });
  try {
    const found =
      (await findInPlace(archive, target, context)) ?? (await fetchFromSources(archive, target, tally, context));
    await removePart(partPathOf(target));
    context.onBytes(found.bytes, found.bytes);
    return {
      file: archive.file,
      ...found,
      ...tally,
      isVerified: archive.md5 !== undefined,
      seconds: (performance.now() - begunAtMs) / 1000,
    };
  } finally {
    await lock.release();
  }
}

/** The digest of the archive that lies in its place, placed by hand or fetched earlier; undefined when there is none. */
async function findInPlace(
  archive: Archive,
  target: string,
  { signal, reporter, onBytes }: ArchiveContext,
): Promise<FileDigest | undefined> {
  if (!(await exists(target))) return undefined;
  const known = await recallDigest(target);
  if (known !== undefined && digestProblem(archive, known) === undefined) return known;
  const found = await digestFile(target, signal, (done) => onBytes(done, archive.bytes, `checking ${archive.file}`));
  const problem = digestProblem(archive, found);
  if (problem !== undefined) {
    const aside = await setAside(target, target);
    const whatToDo =
      archive.urls.length > 0 ? 'run the same command again to fetch it' : `place the right one at ${target}`;
    throw verificationError(archive, found, problem, `It was set aside as ${aside}; ${whatToDo}`);
  }
  await rememberDigest(target, found);
  reportFound(archive, found, reporter);
  return found;
}

async function fetchFromSources(
  archive: Archive,
  target: string,
  tally: TransferTally,
  context: ArchiveContext,
): Promise<FileDigest> {
  const { file } = archive;
  // The source of a part at hand goes first, so that the part is not lost for nothing.
  const begunAt = (await readJournal(partPathOf(target)))?.url;
  const urls = archive.urls.toSorted((a, b) => Number(b === begunAt) - Number(a === begunAt));
  if (urls.length === 0) {
    throw new MillraceError('ERR_NOT_FOUND', `${file} cannot be fetched: place ${file} at ${target}`, {
      context: { file, path: target },
    });
  }
  for (const [index, url] of urls.entries()) {
    try {
      const found = url.startsWith('file:')
        ? await adopt(url, archive, target, context)
        : await fetchFrom(url, archive, target, tally, context);
      await rememberDigest(target, found);
      reportFound(archive, found, context.reporter);
      return found;
    } catch (error) {
      const isLast = index === urls.length - 1;
      if (isLast || !(error instanceof MillraceError) || !isOfTheSource(error)) throw error;
      const text = `${error.message}\n${file}: going on with ${displayUrl(urls[index + 1])}`;
      context.reporter.event('source-failed', text, { file, code: error.code, message: error.message });
    }
  }
  throw new MillraceError('ERR_INTERNAL', `no source of ${file} was tried`);
}

/** Whether another source may do better. */
function isOfTheSource({ code }: MillraceError): boolean {
  return ['ERR_TRANSFER', 'ERR_TRANSFER_REFUSED', 'ERR_VERIFICATION', 'ERR_NOT_FOUND'].includes(code);
}

async function fetchFrom(
  url: string,
  archive: Archive,
  target: string,
  tally: TransferTally,
  context: ArchiveContext,
): Promise<FileDigest> {
  const { file } = archive;
  const partPath = partPathOf(target);
  const part = await PartFile.open(partPath, context.transfer, (reason) =>
    context.reporter.event('restarted', `${file}: starting over: ${reason}`, { file, reason }),
  );
  try {
    context.onBytes(part.offset, part.source?.totalBytes ?? archive.bytes);
    await transfer(url, part, { ...context, archive, tally });
  } finally {
    await part.close();
  }
  const found = { bytes: part.offset, md5: part.digest() };
  const problem = digestProblem(archive, found);
  if (problem !== undefined) {
    const aside = await setAside(partPath, target);
    await removePart(partPath);
    const whatToDo = `It was set aside as ${aside}; run the same command again to fetch it anew, or use another source`;
    throw verificationError(archive, found, `${problem} from ${displayUrl(url)}`, whatToDo);
  }
  await commitRename(partPath, target);
  return found;
}

/** Takes a local file in: linked where the file system allows it, else copied; verified before it gets its name. */
async function adopt(url: string, archive: Archive, target: string, context: ArchiveContext): Promise<FileDigest> {
  const source = fileURLToPath(url);
  const temporary = temporaryPathFor(target);
  try {
    await linkOrCopy(source, temporary);
    const found = await digestFile(temporary, context.signal, (done) =>
      context.onBytes(done, archive.bytes, `checking ${archive.file}`),
    );
    const problem = digestProblem(archive, found);
    if (problem !== undefined) {
      throw verificationError(
        archive,
        found,
        `${problem} in ${source}`,
        'Put the right file there, or use another source',
      );
    }
    await commitRename(temporary, target);
    return found;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function linkOrCopy(source: string, temporary: string): Promise<void> {
  try {
    await link(source, temporary);
    return;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') {
      throw new MillraceError('ERR_NOT_FOUND', `cannot read ${source}: ${messageOf(error)}`, { cause: error });
    }
    // Another file system, or one without links.
  }
  try {
    await copyFile(source, temporary);
    const copy = await open(temporary, 'r+');
    await copy.sync().finally(() => copy.close());
  } catch (error) {
    throw toDiskError(error, temporary);
  }
}

function partPathOf(target: string): string {
  return `${target}.part`;
}

async function removePart(partPath: string): Promise<void> {
  await rm(partPath, { force: true });
  await rm(journalPath(partPath), { force: true });
}

function reportFound({ file, md5: expected }: Archive, { bytes, md5 }: FileDigest, reporter: Reporter): void {
  if (expected === undefined) {
    reporter.event('unverified', `${file}: ${formatBytes(bytes)}, MD5 ${md5} (none is known to compare with)`, {
      file,
      bytes,
      md5,
    });
  } else {
    reporter.event('verified', `${file}: ${formatBytes(bytes)}, MD5 ${md5} verified`, { file, bytes, md5 });
  }
}
