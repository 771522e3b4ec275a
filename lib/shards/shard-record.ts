/**
 * What a converted shard keeps beside its data file until the split is finished: its facts, what was left out, and its pixel
 * sums. Committed with it by one rename, so a shard that exists has them.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { codeOf, MillraceError } from '../core/errors.js';

export const SHARD_RECORD_FILE = 'shard.json';
export const PIXEL_SUMS_FILE = 'pixel-sums.f64';

export const rejectedSchema = z.strictObject({
  archive: z.string(),
  /** The record's key: index in the plan and name. */
  key: z.string(),
  reason: z.string(),
});

export const shardFactsSchema = z.strictObject({
  numSamples: z.int().min(0),
  bytes: z.int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  contentDigest: z.string().regex(/^[0-9a-f]{64}$/),
});

const shardRecordSchema = shardFactsSchema.extend({
  /** Digest of the task (its records and options) that the shard was made from: another one means it must be made again. */
  taskDigest: z.string().regex(/^[0-9a-f]{64}$/),
  rejected: z.array(rejectedSchema),
});

export type Rejected = z.infer<typeof rejectedSchema>;
export type ShardRecord = z.infer<typeof shardRecordSchema>;

/** The record of the shard in `folder`; undefined when there is no whole shard. */
export async function readShardRecord(folder: string): Promise<ShardRecord | undefined> {
  let text: string;
  try {
    text = await readFile(join(folder, SHARD_RECORD_FILE), 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  const parsed = shardRecordSchema.safeParse(JSON.parse(text));
  if (!parsed.success) {
    throw new MillraceError('ERR_SHARD_CORRUPT', `${folder}/${SHARD_RECORD_FILE}: ${z.prettifyError(parsed.error)}`, {
      context: { path: folder },
    });
  }
  return parsed.data;
}
