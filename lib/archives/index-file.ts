/** `<archive>.index`: the index of an archive's members, kept so that a second run need not scan. One JSON line, then the arrays. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { codeOf } from '../core/errors.js';
import { writeFileAtomic } from '../platform/atomic-file.js';
import { MemberIndex } from './member-index.js';

/** What an index is the index of: when any of it differs, the index is of another archive. */
const indexKeySchema = z.strictObject({
  layout: z.enum(['flat', 'nested']),
  archiveBytes: z.int().min(0),
  archiveModifiedMs: z.number(),
});

const headSchema = z.strictObject({
  formatVersion: z.literal(4),
  key: indexKeySchema,
  /** Length of the file that the offsets are of: the archive's own, or that of what was in it when it is gzipped. */
  membersBytes: z.int().min(0),
  numMembers: z.int().min(0),
  nameBytes: z.int().min(0),
});

export type IndexKey = z.infer<typeof indexKeySchema>;

export interface IndexFile {
  readonly key: IndexKey;
  readonly membersBytes: number;
  readonly index: MemberIndex;
}

export async function writeIndexFile(path: string, { key, membersBytes, index }: IndexFile): Promise<void> {
  const { names, nameEnds, offsets, sizes } = index.pack();
  const head: z.infer<typeof headSchema> = {
    formatVersion: 4,
    key,
    membersBytes,
    numMembers: index.numMembers,
    nameBytes: names.length,
  };
  const parts = [nameEnds, offsets, sizes].map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength));
  await writeFileAtomic(path, Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), ...parts, names]));
}

/** The index file at `path`; undefined when there is none, or it is of another archive or another version of this format. */
export async function readIndexFile(path: string, key: IndexKey): Promise<IndexFile | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  const headEnd = bytes.indexOf('\n') + 1;
  const head = parseHead(bytes.toString('utf8', 0, headEnd));
  if (head === undefined || JSON.stringify(head.key) !== JSON.stringify(indexKeySchema.parse(key))) return undefined;

  let position = headEnd;
  // Copies, because typed arrays must be aligned and the file's line before them has any length.
  const take = (length: number): ArrayBuffer => {
    const part = Uint8Array.from(bytes.subarray(position, position + length));
    position += length;
    return part.buffer;
  };
  const { numMembers, nameBytes } = head;
  if (bytes.length !== headEnd + numMembers * (4 + 8 + 8) + nameBytes) return undefined;
  const packed = {
    nameEnds: new Uint32Array(take(numMembers * 4)),
    offsets: new Float64Array(take(numMembers * 8)),
    sizes: new Float64Array(take(numMembers * 8)),
    names: new Uint8Array(take(nameBytes)),
  };
  return { key: head.key, membersBytes: head.membersBytes, index: MemberIndex.unpack(packed) };
}

function parseHead(line: string): z.infer<typeof headSchema> | undefined {
  try {
    return headSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
