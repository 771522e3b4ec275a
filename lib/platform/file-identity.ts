/** Telling whether a path still leads to the same file: replaced ones differ in inode, rewritten ones in length or time of change. */
import { fstatSync, statSync, type BigIntStats } from 'node:fs';
import { stat } from 'node:fs/promises';

/** Equal for the same file, unchanged. */
export type FileIdentity = string;

/** Undefined when nothing can be found at the path. */
export async function identityAt(path: string): Promise<FileIdentity | undefined> {
  return stat(path, { bigint: true }).then(identityOf, () => undefined);
}

/** As {@link identityAt}, at once. */
export function identityAtSync(path: string): FileIdentity | undefined {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stats && identityOf(stats);
}

/** Of an open file. */
export function identityOfOpen(descriptor: number): FileIdentity {
  return identityOf(fstatSync(descriptor, { bigint: true }));
}

function identityOf({ dev, ino, size, mtimeNs }: BigIntStats): FileIdentity {
  return `${dev}:${ino}:${size}:${mtimeNs}`;
}
