/** The file that the download benches fetch: pseudo-random bytes, the same in every run. */
import { createCipheriv, createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

export const MIB = 1 << 20;

/** Sizes of the prefixes that are fetched, in MiB, in ascending order; the last one is the whole file. */
const SIZES_MIB = [128, 256, 512, 1024] as const;

export interface BenchArchive {
  /** A folder to work in; whoever made the archive removes it. */
  readonly folder: string;
  /** The largest file; the others are its first bytes. */
  readonly path: string;
  /** MD5 of the first `numBytes` of it. Throws when no bench fetches so many. */
  md5Of(numBytes: number): string;
}

/** Writes 1 GiB into `folder`. */
export function makeArchive(folder: string): BenchArchive {
  const path = join(folder, 'archive.bin');
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16));
  const zeros = Buffer.alloc(MIB);
  const hash = createHash('md5');
  const digests = new Map<number, string>();
  const file = openSync(path, 'w');
  for (let mib = 1; mib <= SIZES_MIB[SIZES_MIB.length - 1]; mib++) {
    const bytes = cipher.update(zeros);
    writeSync(file, bytes);
    hash.update(bytes);
    if (SIZES_MIB.some((size) => size === mib)) digests.set(mib * MIB, hash.copy().digest('hex'));
  }
  closeSync(file);
  return {
    folder,
    path,
    md5Of(numBytes) {
      const md5 = digests.get(numBytes);
      if (md5 === undefined) throw new Error(`no digest of the first ${numBytes} bytes is kept`);
      return md5;
    },
  };
}

export async function md5OfFile(path: string): Promise<string> {
  const hash = createHash('md5');
  for await (const chunk of createReadStream(path, { highWaterMark: MIB })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
