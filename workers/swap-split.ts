/**
 * Putting a split's next version in its place. The one before it is moved aside, not written over: a server that has opened its
 * folder streams it to the end, and at no time is a split a mix of both.
 */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { commitRename } from '../lib/platform/atomic-file.js';
import { nextVersionFolder, replacedVersionFolder } from '../lib/platform/root-layout.js';
import { readManifest } from '../lib/shards/manifest.js';

/** Puts the finished next version in place of the split in `folder`. Returns where that lies now; an earlier one there goes. */
export async function swapSplit(folder: string): Promise<string> {
  const replaced = replacedVersionFolder(folder);
  await rm(replaced, { recursive: true, force: true });
  await commitRename(folder, replaced);
  // Killed here, there is no split for the moment: `finishSwap`.
  await commitRename(nextVersionFolder(folder), folder);
  return replaced;
}

/** Does what a swap that was killed between its renames has left undone. */
export async function finishSwap(folder: string): Promise<void> {
  const next = nextVersionFolder(folder);
  const isMovedAside = !existsSync(folder) && existsSync(replacedVersionFolder(folder));
  if (isMovedAside && (await readManifest(next)) !== undefined) await commitRename(next, folder);
}
