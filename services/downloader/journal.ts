/**
 * What of `<file>.part` is known to be good, so that any kill can be gone on from. The journal `<file>.part.json` is flushed after
 * the data it speaks of, and holds whatever happens. The live journal `<file>.part.live` is rewritten in place after every write
 * and never flushed: it survives the end of the process but not of the system, and counts only as long as the system is up.
 */
import { writeSync } from 'node:fs';
import { open, readFile, rm, type FileHandle } from 'node:fs/promises';
import { z } from 'zod';
import { codeOf } from '../../lib/core/errors.js';
import { writeFileAtomic } from '../../lib/platform/atomic-file.js';
import { validatorSchema } from './response-headers.js';

const offset = z.int().nonnegative();

const journalSchema = z.strictObject({
  formatVersion: z.literal(2),
  /** Drawn anew whenever a process takes the part over or empties it: a writer that finds another one here has lost the part. */
  owner: z.string(),
  /** Where the first byte came from, before any redirect and without secrets. */
  source: z.string(),
  /** State of the file at that source when its first byte came; absent when the server gives none. */
  validator: validatorSchema.optional(),
  /** Length of the whole file in bytes, once known. */
  totalBytes: offset.optional(),
  /** Bytes that are there, `[begin, end)` each, in order. */
  ranges: z.array(z.tuple([offset, offset])),
  /** All sources that bytes came from. */
  contributors: z.array(z.string()),
  /** Bytes from the first one on that are hashed, never more than the first range has. */
  hashedBytes: offset,
  /** State of each hash after `hashedBytes`, base64. */
  hashStates: z.strictObject({
    md5: z.base64().optional(),
    sha1: z.base64().optional(),
    sha256: z.base64().optional(),
  }),
});

export type Journal = z.infer<typeof journalSchema>;

const liveSchema = z.strictObject({ bootId: z.string(), journal: journalSchema });

export function journalPath(partPath: string): string {
  return `${partPath}.json`;
}

export function liveJournalPath(partPath: string): string {
  return `${partPath}.live`;
}

/** The newest state that can be trusted. Undefined when there is none that this version understands: the transfer then begins anew. */
export async function readJournal(partPath: string): Promise<Journal | undefined> {
  const flushed = parse(journalSchema, await readIfThere(journalPath(partPath)));
  if (flushed === undefined) return undefined;
  const live = parse(liveSchema, await readIfThere(liveJournalPath(partPath)));
  const isCurrent = live?.journal.owner === flushed.owner && live.bootId === (await readBootId());
  return isCurrent ? live.journal : flushed;
}

/** The caller has flushed the ranges of the part before. Throws ERR_DISK naming the path. */
export async function writeJournal(partPath: string, journal: Journal): Promise<void> {
  await writeFileAtomic(journalPath(partPath), JSON.stringify(journal));
}

export interface LiveJournal {
  /** The caller has written the ranges of the part before. Never throws. */
  write(journal: Journal): void;
  close(): Promise<void>;
}

/** Undefined where the system does not tell one boot from another: the flushed journal then has to do. */
export async function openLiveJournal(partPath: string): Promise<LiveJournal | undefined> {
  const bootId = await readBootId();
  if (bootId === undefined) return undefined;
  const file = await openInPlace(liveJournalPath(partPath));
  return {
    write(journal) {
      try {
        // Into one page of the cache, where it takes microseconds; what is left of a longer text stands behind the end of the line.
        writeSync(file.fd, `${JSON.stringify({ bootId, journal })}\n`, 0);
      } catch {
        // The disk is full: the part will say so.
      }
    },
    close: () => file.close(),
  };
}

export async function removeJournals(partPath: string): Promise<void> {
  await rm(liveJournalPath(partPath), { force: true });
  await rm(journalPath(partPath), { force: true });
}

async function openInPlace(path: string): Promise<FileHandle> {
  // Made anew, so that a process that has lost the part writes into nobody's file.
  await rm(path, { force: true });
  return open(path, 'wx+');
}

function parse<Schema extends z.ZodType>(schema: Schema, text: string | undefined): z.output<Schema> | undefined {
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text.split('\n', 1)[0]));
  } catch {
    return undefined;
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Names this boot of the system; undefined where there is no such thing. */
async function readBootId(): Promise<string | undefined> {
  return (await readIfThere('/proc/sys/kernel/random/boot_id'))?.trim();
}
