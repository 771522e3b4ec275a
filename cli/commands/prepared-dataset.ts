/** Which folder of `<root>/datasets` a command's `<dataset>` means, and which splits lie in it. */
import { readdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { findDataset } from '../../lib/catalog/catalog.js';
import { codeOf, MillraceError } from '../../lib/core/errors.js';
import { datasetsFolder } from '../../lib/platform/root-layout.js';
import { readManifest } from '../../lib/shards/manifest.js';
import { chooseSplits } from './preparation.js';

export interface PreparedDataset {
  readonly name: string;
  /** Finished splits that were asked for. At least one. */
  readonly splits: readonly { readonly name: string; readonly folder: string }[];
}

/**
 * `nameOrFile` is the name of a prepared dataset (any given by `--as` too) or a dataset file; `split` one split or "all".
 * Throws ERR_NOT_FOUND when nothing is prepared under that name, UsageError when the split is not.
 */
export async function findPreparedDataset(root: string, nameOrFile: string, split: string): Promise<PreparedDataset> {
  const isFile = ['.json', '.yaml', '.yml'].includes(extname(nameOrFile));
  const name = isFile ? (await findDataset(nameOrFile)).name : nameOrFile;
  const folder = join(datasetsFolder(root), name);
  const finished: string[] = [];
  for (const entry of await subfoldersOf(folder)) {
    if ((await readManifest(join(folder, entry))) !== undefined) finished.push(entry);
  }
  if (finished.length === 0) {
    throw new MillraceError(
      'ERR_NOT_FOUND',
      `${folder} holds no finished split; make one with "millrace prepare ${nameOrFile}"`,
      { context: { path: folder } },
    );
  }
  const chosen = chooseSplits(finished.sort(), split);
  return { name, splits: chosen.map((entry) => ({ name: entry, folder: join(folder, entry) })) };
}

async function subfoldersOf(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map((entry) => entry.name);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}
