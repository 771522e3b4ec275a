/**
 * Shards that another file was put in the place of, under the same manifest: damage, or its repair. Nothing cheaper than the content tells
 * which; length and number of records are the same in every version of a split.
 */
import { dirname } from 'node:path';
import { messageOf, MillraceError } from '../core/errors.js';
import { identityAt } from '../platform/file-identity.js';
import { scanContent } from './record-scan.js';
import type { FixedSplit, SplitIdentity } from './split-files.js';

/**
 * Reads the shards that are other files than they were `before`. Throws ERR_SHARD_CORRUPT when one does not hold what the manifest says. With
 * another manifest all is new, and nothing is read.
 */
export async function proveReplaced(
  { manifest, identity, shardOptions }: FixedSplit,
  before: SplitIdentity,
): Promise<void> {
  if (identity.manifest !== before.manifest) return;
  for (const [index, { path, openPath = path }] of shardOptions.entries()) {
    const now = identity.shards[index];
    if (now === before.shards[index]) continue;
    const { contentDigest } = await contentAt(path, openPath);
    const expected = manifest.shards[index].contentDigest;
    if (contentDigest !== expected) {
      throw corrupt(path, `was replaced: expected content digest ${expected}, found ${contentDigest}`);
    }
    if ((await identityAt(openPath)) !== now) throw corrupt(path, 'is being replaced');
  }
}

async function contentAt(path: string, openPath: string): ReturnType<typeof scanContent> {
  try {
    return await scanContent(dirname(openPath));
  } catch (error) {
    throw corrupt(path, `was replaced: ${messageOf(error).replaceAll(openPath, path)}`, error);
  }
}

function corrupt(path: string, what: string, cause?: unknown): MillraceError {
  return new MillraceError('ERR_SHARD_CORRUPT', `${path} ${what}`, { cause, context: { path } });
}
