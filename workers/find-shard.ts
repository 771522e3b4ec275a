/** Shards that need not be made: the same task has made them before. */
import { link, mkdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { commitFolder, temporaryPathFor } from '../lib/platform/atomic-file.js';
import { PIXEL_SUMS_FILE, SHARD_RECORD_FILE } from '../lib/platform/root-layout.js';
import { DATA_FILE } from '../lib/shards/lmdb-file.js';
import { readShardRecord, type ShardRecord } from '../lib/shards/shard-record.js';
import type { ConvertTask } from './task.js';

/**
 * The record of the shard that the task would make; undefined when it must be made. It may be in its place already, or be a shard of
 * the split in `earlier`: then it is put into its place by hard links, and not a byte is written.
 */
export async function findShard(task: ConvertTask, earlier?: string): Promise<ShardRecord | undefined> {
  const inPlace = await recordOf(task, task.folder);
  if (inPlace !== undefined || earlier === undefined) return inPlace;
  const from = join(earlier, basename(task.folder));
  const record = await recordOf(task, from);
  return record !== undefined && (await linkShard(from, task.folder)) ? record : undefined;
}

async function recordOf({ taskDigest }: ConvertTask, folder: string): Promise<ShardRecord | undefined> {
  const record = await readShardRecord(folder);
  return record?.taskDigest === taskDigest ? record : undefined;
}

/** False when it cannot be linked: some of it is not there, or it lies on another disk. */
async function linkShard(from: string, to: string): Promise<boolean> {
  const temporary = temporaryPathFor(to);
  try {
    await mkdir(temporary);
    for (const file of [DATA_FILE, PIXEL_SUMS_FILE, SHARD_RECORD_FILE]) {
      await link(join(from, file), join(temporary, file));
    }
    await commitFolder(temporary, to);
    return true;
  } catch {
    await rm(temporary, { recursive: true, force: true });
    return false;
  }
}
