/** Digests of files: found once, and remembered as long as length and time of change stay the same. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, rm, stat } from 'node:fs/promises';
import { z } from 'zod';
import { throwIfAborted } from '../core/errors.js';
import { writeFileAtomic } from './atomic-file.js';

export const DIGEST_NAMES = ['md5', 'sha1', 'sha256'] as const;
export type DigestName = (typeof DIGEST_NAMES)[number];

/** Digests by name, lower-case hex. */
export type Digests = Readonly<Partial<Record<DigestName, string>>>;

/** Length in bytes, MD5, and what other digests were asked for, of a file as it is. */
export interface FileDigest extends Digests {
  readonly bytes: number;
  readonly md5: string;
}

const recordSchema = z.strictObject({
  formatVersion: z.literal(1),
  bytes: z.int().nonnegative(),
  mtimeMs: z.number(),
  md5: z.string(),
  sha1: z.string().optional(),
  sha256: z.string().optional(),
});

/** The digests that were found earlier of the file at `path`; undefined when none are known or the file changed since. */
export async function recallDigest(path: string): Promise<FileDigest | undefined> {
  try {
    const { mtimeMs, md5, sha1, sha256, bytes } = recordSchema.parse(
      JSON.parse(await readFile(recordPath(path), 'utf8')),
    );
    const now = await stat(path);
    if (now.size !== bytes || now.mtimeMs !== mtimeMs) return undefined;
    return { bytes, md5, ...(sha1 !== undefined && { sha1 }), ...(sha256 !== undefined && { sha256 }) };
  } catch {
    // Whatever is wrong with the record, reading the file again puts it right.
    return undefined;
  }
}

/** Remembers the digests of the file at `path`, in `<path>.verified.json`. Throws ERR_DISK. */
export async function rememberDigest(path: string, { md5, sha1, sha256 }: FileDigest): Promise<void> {
  const { size, mtimeMs } = await stat(path);
  const record = { formatVersion: 1, bytes: size, mtimeMs, md5, sha1, sha256 };
  await writeFileAtomic(recordPath(path), JSON.stringify(record));
}

/** Forgets what is remembered of the file at `path`. */
export async function forgetDigest(path: string): Promise<void> {
  await rm(recordPath(path), { force: true });
}

function recordPath(path: string): string {
  return `${path}.verified.json`;
}

/** Reads the whole file for its MD5 and the `others`. Throws InterruptedError when `signal` is aborted. */
export async function digestFile(
  path: string,
  signal: AbortSignal | undefined,
  onBytes: (done: number) => void,
  others: readonly DigestName[] = [],
): Promise<FileDigest> {
  const hashes = others.filter((name) => name !== 'md5').map((name) => ({ name, hash: createHash(name) }));
  const md5 = createHash('md5');
  let bytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    throwIfAborted(signal);
    md5.update(chunk as Buffer);
    for (const { hash } of hashes) hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    onBytes(bytes);
  }
  const found = hashes.map(({ name, hash }) => [name, hash.digest('hex')] as const);
  return { bytes, md5: md5.digest('hex'), ...Object.fromEntries(found) };
}
