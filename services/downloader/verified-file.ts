/** Archives that lie in their place: proved once, and remembered as proved as long as length and time of change stay the same. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, rename, rm, stat } from 'node:fs/promises';
import { z } from 'zod';
import type { Archive } from '../../lib/catalog/dataset-schema.js';
import { codeOf, MillraceError, throwIfAborted } from '../../lib/core/errors.js';
import { toDiskError, writeFileAtomic } from '../../lib/platform/atomic-file.js';

/** Length in bytes and MD5 (32 hex digits) of a file as it is. */
export interface FileDigest {
  readonly bytes: number;
  readonly md5: string;
}

const recordSchema = z.strictObject({
  formatVersion: z.literal(1),
  bytes: z.int().nonnegative(),
  mtimeMs: z.number(),
  md5: z.string(),
});

/** The digest that was found earlier of the file at `path`; undefined when it is not known or the file changed since. */
export async function recallDigest(path: string): Promise<FileDigest | undefined> {
  try {
    const { bytes, mtimeMs, md5 } = recordSchema.parse(JSON.parse(await readFile(recordPath(path), 'utf8')));
    const now = await stat(path);
    return now.size === bytes && now.mtimeMs === mtimeMs ? { bytes, md5 } : undefined;
  } catch {
    // Whatever is wrong with the record, reading the file again puts it right.
    return undefined;
  }
}

/** Remembers the digest of the file at `path`, in `<path>.verified.json`. Throws ERR_DISK. */
export async function rememberDigest(path: string, { md5 }: FileDigest): Promise<void> {
  const { size, mtimeMs } = await stat(path);
  await writeFileAtomic(recordPath(path), JSON.stringify({ formatVersion: 1, bytes: size, mtimeMs, md5 }));
}

function recordPath(path: string): string {
  return `${path}.verified.json`;
}

/** Reads the whole file. Throws InterruptedError when `signal` is aborted. */
export async function digestFile(
  path: string,
  signal: AbortSignal | undefined,
  onBytes: (done: number) => void,
): Promise<FileDigest> {
  const hash = createHash('md5');
  let bytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    throwIfAborted(signal);
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    onBytes(bytes);
  }
  return { bytes, md5: hash.digest('hex') };
}

/** What was expected and what was found, for people; undefined when the file is what the catalog says. */
export function digestProblem(archive: Archive, found: FileDigest): string | undefined {
  const problems: string[] = [];
  if (archive.bytes !== undefined && archive.bytes !== found.bytes) {
    problems.push(`expected ${archive.bytes} bytes, found ${found.bytes}`);
  }
  if (archive.md5 !== undefined && archive.md5 !== found.md5) {
    problems.push(`expected MD5 ${archive.md5}, found ${found.md5}`);
  }
  return problems.length === 0 ? undefined : problems.join('; ');
}

/** ERR_VERIFICATION for the file that was found wrong; `whatToDo` ends the message. */
export function verificationError(
  archive: Archive,
  found: FileDigest,
  problem: string,
  whatToDo: string,
): MillraceError {
  return new MillraceError('ERR_VERIFICATION', `${archive.file}: ${problem}. ${whatToDo}`, {
    context: {
      file: archive.file,
      expectedBytes: archive.bytes ?? null,
      foundBytes: found.bytes,
      expectedMd5: archive.md5 ?? null,
      foundMd5: found.md5,
    },
  });
}

/** Renames a wrong file to the first free `<target>.corrupt-<n>`, n from 1, and returns that path. Throws ERR_DISK. */
export async function setAside(path: string, target: string): Promise<string> {
  for (let n = 1; ; n++) {
    const aside = `${target}.corrupt-${n}`;
    if (await exists(aside)) continue;
    try {
      await rename(path, aside);
      await rm(recordPath(path), { force: true });
      return aside;
    } catch (error) {
      throw toDiskError(error, aside);
    }
  }
}

export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}
