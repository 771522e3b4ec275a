/** The journal `<file>.part.json`: what of `<file>.part` is known to be good, so that any kill can be gone on from. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { codeOf } from '../../lib/core/errors.js';
import { writeFileAtomic } from '../../lib/platform/atomic-file.js';
import { validatorSchema } from './response-headers.js';

const journalSchema = z.strictObject({
  formatVersion: z.literal(1),
  /** Where the bytes came from, before any redirect. */
  url: z.string(),
  /** State of the file on the server when its first byte came; absent when the server gives none. */
  validator: validatorSchema.optional(),
  /** Length of the whole file in bytes, once known. */
  totalBytes: z.int().nonnegative().optional(),
  /** Bytes of the part that are flushed and hashed; what follows them is cut off. */
  offset: z.int().nonnegative(),
  /** State of the MD5 after `offset` bytes, base64. */
  md5State: z.base64(),
});

export type Journal = z.infer<typeof journalSchema>;

export function journalPath(partPath: string): string {
  return `${partPath}.json`;
}

/** Undefined when there is none, or none that this version understands: the transfer then begins anew. */
export async function readJournal(partPath: string): Promise<Journal | undefined> {
  let text: string;
  try {
    text = await readFile(journalPath(partPath), 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return journalSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** The caller has flushed `offset` bytes of the part before. Throws ERR_DISK naming the path. */
export async function writeJournal(partPath: string, journal: Journal): Promise<void> {
  await writeFileAtomic(journalPath(partPath), JSON.stringify(journal));
}
