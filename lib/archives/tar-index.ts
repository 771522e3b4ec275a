/**
 * The index of a tar archive, made by reading headers and skipping bodies. Reads are synchronous: one is 20 times cheaper than
 * an awaited one, and a large archive has a million of them.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { throwIfAborted } from '../core/errors.js';
import { archiveCorrupt } from './corrupt.js';
import { MemberIndex } from './member-index.js';
import { BLOCK_BYTES, isEndBlock, parsePax, parseTarHeader, textOf, type TarHeader } from './tar-header.js';

/** `tar`: members by their names. `tar-of-tars`: members of the inner tars, as `<inner tar's name without .tar>/<member>`. */
export type ArchiveLayout = 'tar' | 'tar-of-tars';

export interface IndexOptions {
  readonly signal?: AbortSignal | undefined;
  /** Bytes of the archive gone through, and in all. */
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
}

/** Long names and PAX headers are a few hundred bytes; more than this is an attack or a broken file. */
const MAX_EXTENSION_BYTES = 1 << 20;
/** Members between two looks at the signal: about 10 ms when cached. */
const MEMBERS_PER_TURN = 4096;

/**
 * Scans an uncompressed tar. Of members with the same name the last counts. Only files are indexed: links and folders are not.
 * Throws ERR_ARCHIVE_CORRUPT, naming archive and offset, when it is truncated, is no tar, or a name leaves its root;
 * InterruptedError when the signal is aborted.
 */
export async function indexTar(path: string, layout: ArchiveLayout, options: IndexOptions = {}): Promise<MemberIndex> {
  const descriptor = openSync(path, 'r');
  try {
    const totalBytes = fstatSync(descriptor).size;
    const source: TarSource = { path, descriptor };
    const index = new MemberIndex();
    let numSeen = 0;
    for (const member of membersOf(source, layout, totalBytes)) {
      index.set(member.name, member.offset, member.size);
      if (++numSeen % MEMBERS_PER_TURN === 0) {
        options.onProgress?.(member.offset, totalBytes);
        await new Promise(setImmediate);
        throwIfAborted(options.signal);
      }
    }
    options.onProgress?.(totalBytes, totalBytes);
    return index;
  } finally {
    closeSync(descriptor);
  }
}

interface TarSource {
  readonly path: string;
  readonly descriptor: number;
}

interface Member {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

function* membersOf(source: TarSource, layout: ArchiveLayout, totalBytes: number): Generator<Member> {
  if (layout === 'tar') {
    yield* scan(source, 0, totalBytes);
    return;
  }
  for (const outer of scan(source, 0, totalBytes)) {
    if (!outer.name.endsWith('.tar')) continue;
    const folder = outer.name.slice(0, -'.tar'.length);
    for (const inner of scan(source, outer.offset, outer.offset + outer.size)) {
      yield { ...inner, name: `${folder}/${inner.name}` };
    }
  }
}

/** The files of the tar that lies in `[begin, end)` of the archive. */
function* scan(source: TarSource, begin: number, end: number): Generator<Member> {
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  const fail = (at: number, what: string): never => {
    throw archiveCorrupt(source.path, at, what);
  };
  // What an extension header says of the member that follows it.
  let longName: string | undefined;
  let pax: Map<string, string> | undefined;

  let position = begin;
  while (true) {
    if (position + BLOCK_BYTES > end) fail(position, 'the archive is truncated: its end mark is missing');
    readExactly(source, block, position);
    if (isEndBlock(block)) return;
    const header: TarHeader = parseTarHeader(block) ?? fail(position, 'expected a tar header');
    const isExtension = 'LKxg'.includes(header.type);
    const size = isExtension || pax?.get('size') === undefined ? bodySizeOf(header) : Number(pax.get('size'));
    const bodyBegin = position + BLOCK_BYTES;
    if (!Number.isSafeInteger(size) || size < 0) fail(position, `"${header.name}" has no sensible size`);
    if (bodyBegin + size > end) {
      fail(
        position,
        `"${header.name}" should have ${size} bytes, but the archive is truncated after ${end - bodyBegin}`,
      );
    }
    const body = (): Buffer => {
      if (size > MAX_EXTENSION_BYTES) fail(position, `an extension header of ${size} bytes`);
      const bytes = Buffer.allocUnsafe(size);
      readExactly(source, bytes, bodyBegin);
      return bytes;
    };

    if (header.type === 'L') {
      longName = textOf(body());
    } else if (header.type === 'x') {
      pax = parsePax(body()) ?? fail(position, 'a malformed PAX header');
    } else if (!isExtension) {
      if (header.type === '0' || header.type === '7') {
        const name = safeName(pax?.get('path') ?? longName ?? header.name);
        yield {
          name: name ?? fail(position, `the name "${header.name}" leaves the archive's root`),
          offset: bodyBegin,
          size,
        };
      } else if (header.type === 'S') {
        fail(position, `"${header.name}" is a sparse file, which cannot be read in place`);
      }
      longName = undefined;
      pax = undefined;
    }
    position = bodyBegin + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
  }
}

/** A hard link may tell the size of what it links to, but has no body (as GNU tar reads it). */
function bodySizeOf({ type, size }: TarHeader): number {
  return type === '1' ? 0 : size;
}

/** The name without leading `./`; undefined when it is empty, absolute or has a `..` in it. */
function safeName(name: string): string | undefined {
  const relative = name.replace(/^(\.\/+)+/, '');
  const isUnsafe = relative === '' || relative.startsWith('/') || relative.split('/').includes('..');
  return isUnsafe ? undefined : relative;
}

function readExactly({ path, descriptor }: TarSource, target: Buffer, position: number): void {
  if (readSync(descriptor, target, 0, target.length, position) < target.length) {
    throw archiveCorrupt(path, position, 'the archive ended while it was read');
  }
}

/**
 * Reads a member's body out of an open archive. Returns a new buffer.
 * Throws ERR_ARCHIVE_CORRUPT when the archive has become shorter.
 */
export function readMember(path: string, descriptor: number, offset: number, size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  readExactly({ path, descriptor }, bytes, offset);
  return bytes;
}
