/** Where the bytes of a split lie. */
import { join } from 'node:path';
import { DATA_FILE } from './lmdb-file.js';
import type { AnyManifest } from './manifest.js';

/** Paths of the data files of a split in `folder`, in the order of the manifest's shards. */
export function shardFiles(folder: string, { shards }: Pick<AnyManifest, 'shards'>): string[] {
  return shards.map(({ path }) => join(folder, path, DATA_FILE));
}
