/**
 * What a shard keeps beside its data file, so that it need not be made again: its facts, what it was made of, what was left out, and
 * its pixel sums. Committed with it by one rename, so a shard that exists has them.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { codeOf } from '../core/errors.js';
import { SHARD_RECORD_FILE } from '../platform/root-layout.js';

export const rejectedSchema = z.strictObject({
  archive: z.string(),
  /** The record's key: index in the plan and name. */
  key: z.string(),
  reason: z.string(),
});

export const shardFactsSchema = z.strictObject({
  numSamples: z.int().min(0),
  bytes: z.int().positive(),
  contentDigest: z.string().regex(/^[0-9a-f]{64}$/),
});

const shardRecordSchema = shardFactsSchema.extend({
  /** Digest of the task (its records and options) that the shard was made from: another one means it must be made again. */
  taskDigest: z.string().regex(/^[0-9a-f]{64}$/),
  rejected: z.array(rejectedSchema),
});

export type Rejected = z.infer<typeof rejectedSchema>;
export type ShardRecord = z.infer<typeof shardRecordSchema>;

/** The record of the shard in `folder`; undefined when there is no whole shard, or one of another version of this format. */
export async function readShardRecord(folder: string): Promise<ShardRecord | undefined> {
  try {
    return shardRecordSchema.safeParse(JSON.parse(await readFile(join(folder, SHARD_RECORD_FILE), 'utf8'))).data;
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
