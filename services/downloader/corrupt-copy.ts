/** Files that were found wrong: kept aside under numbered names, and compared with the right one when that has come. */
import { open, rename, stat, type FileHandle } from 'node:fs/promises';
import { codeOf, throwIfAborted } from '../../lib/core/errors.js';
import { toDiskError } from '../../lib/platform/system-error.js';
import { forgetDigest } from '../../lib/platform/known-digest.js';
import { ByteRanges, type ByteRange } from './byte-ranges.js';

/** Renames a wrong file to the first free `<target>.corrupt-<n>`, n from 1, and returns that path. Throws ERR_DISK. */
export async function setAside(path: string, target: string): Promise<string> {
  for (let n = 1; ; n++) {
    const aside = corruptPath(target, n);
    if (await exists(aside)) continue;
    try {
      await rename(path, aside);
      await forgetDigest(path);
      return aside;
    } catch (error) {
      throw toDiskError(error, aside);
    }
  }
}

/** The file that was set aside last; undefined when there is none. */
export async function lastCorruptCopy(target: string): Promise<string | undefined> {
  let last: string | undefined;
  for (let n = 1; await exists(corruptPath(target, n)); n++) last = corruptPath(target, n);
  return last;
}

export interface Difference {
  /** Where the files differ, as blocks of a MiB, joined where they touch. */
  readonly ranges: readonly ByteRange[];
  /** Lengths of the two files in bytes. */
  readonly bytes: readonly [number, number];
}

const BLOCK_BYTES = 1 << 20;

/** Reads two files side by side. Throws InterruptedError when `signal` is aborted. */
export async function differenceOf(
  path: string,
  otherPath: string,
  signal: AbortSignal | undefined,
  onBytes: (done: number) => void,
): Promise<Difference> {
  const files = [await open(path, 'r'), await open(otherPath, 'r')];
  try {
    const [bytes, otherBytes] = await Promise.all(files.map(async (file) => (await file.stat()).size));
    const ranges = new ByteRanges();
    for (let at = 0; at < Math.max(bytes, otherBytes); at += BLOCK_BYTES) {
      throwIfAborted(signal);
      const [block, otherBlock] = await Promise.all(files.map((file) => readBlock(file, at)));
      if (!block.equals(otherBlock)) ranges.add(at, at + Math.max(block.length, otherBlock.length));
      onBytes(at);
    }
    return { ranges: ranges.toArray(), bytes: [bytes, otherBytes] };
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}

async function readBlock(file: FileHandle, position: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(BLOCK_BYTES);
  let numBytes = 0;
  while (numBytes < BLOCK_BYTES) {
    const { bytesRead } = await file.read(buffer, numBytes, BLOCK_BYTES - numBytes, position + numBytes);
    if (bytesRead === 0) break;
    numBytes += bytesRead;
  }
  return buffer.subarray(0, numBytes);
}

function corruptPath(target: string, n: number): string {
  return `${target}.corrupt-${n}`;
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
