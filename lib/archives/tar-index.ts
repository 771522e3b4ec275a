/**
 * The index of a tar archive, made by reading headers and skipping bodies. Reads are synchronous: one is 20 times cheaper than
 * an awaited one, and a large archive has a million of them.
 */
import type { MillraceError } from '../core/errors.js';
import {
  indexMembers,
  readExactly,
  readStretch,
  type ArchiveFile,
  type IndexOptions,
  type MemberLink,
  type MemberStretch,
} from './archive-file.js';
import { archiveCorrupt, archiveUnsupported } from './corrupt.js';
import type { MemberIndex } from './member-index.js';
import { safeName } from './member-name.js';
import { BLOCK_BYTES, isEndBlock, parsePax, parseTarHeader, textOf, type TarHeader } from './tar-header.js';

/** What a file that is no tar may be, by its first bytes in hex. */
const OTHER_FORMATS: readonly (readonly [name: string, begin: string])[] = [
  ['gzip', '1f8b'],
  ['bzip2', '425a68'],
  ['xz', 'fd377a585a00'],
  ['Zstandard', '28b52ffd'],
  ['zip', '504b0304'],
];

/** `flat`: members by their names. `nested`: members of the inner tars, as `<inner tar's name without .tar>/<member>`. */
export type ArchiveLayout = 'flat' | 'nested';

/** Long names and PAX headers are a few hundred bytes; more than this is an attack or a broken file. */
const MAX_EXTENSION_BYTES = 1 << 20;

/**
 * Scans an uncompressed tar. Of members with the same name the last counts. Only files are indexed, under all names
 * that hard links give them: symbolic links and folders are not. Throws ERR_ARCHIVE_CORRUPT, naming archive and offset, when it is truncated, is no tar, or a name leaves its root;
 * InterruptedError when the signal is aborted.
 */
export async function indexTar(path: string, layout: ArchiveLayout, options: IndexOptions = {}): Promise<MemberIndex> {
  const membersOf = layout === 'flat' ? flatMembers : nestedMembers;
  return indexMembers(path, membersOf, options);
}

function flatMembers(file: ArchiveFile, totalBytes: number): Generator<MemberStretch | MemberLink> {
  return scan(file, 0, totalBytes);
}

function* nestedMembers(file: ArchiveFile, totalBytes: number): Generator<MemberStretch | MemberLink> {
  for (const outer of scan(file, 0, totalBytes)) {
    if ('linkOf' in outer || !outer.name.endsWith('.tar')) continue;
    const folder = outer.name.slice(0, -'.tar'.length);
    for (const inner of scan(file, outer.offset, outer.offset + outer.size)) {
      const name = `${folder}/${inner.name}`;
      yield 'linkOf' in inner ? { name, linkOf: `${folder}/${inner.linkOf}` } : { ...inner, name };
    }
  }
}

/** The files of the tar that lies in `[begin, end)` of the archive. */
function* scan(file: ArchiveFile, begin: number, end: number): Generator<MemberStretch | MemberLink> {
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  const fail = (at: number, what: string): never => {
    throw archiveCorrupt(file.path, at, what);
  };
  // What an extension header says of the member that follows it.
  let longName: string | undefined;
  let longLink: string | undefined;
  let pax: Map<string, string> | undefined;

  let position = begin;
  while (true) {
    if (position + BLOCK_BYTES > end) fail(position, 'the archive is truncated: its end mark is missing');
    readExactly(file, block, position);
    if (isEndBlock(block)) return;
    const header = parseTarHeader(block);
    if (header === undefined) throw noHeader(file.path, position, block);
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
      return readStretch(file, bodyBegin, size);
    };

    if (header.type === 'L') {
      longName = textOf(body());
    } else if (header.type === 'K') {
      longLink = textOf(body());
    } else if (header.type === 'x') {
      pax = parsePax(body()) ?? fail(position, 'a malformed PAX header');
    } else if (!isExtension) {
      const fullName = pax?.get('path') ?? longName ?? header.name;
      const name = (): string =>
        safeName(fullName) ?? fail(position, `the name "${fullName}" leaves the archive's root`);
      if (header.type === 'S' || pax?.has('GNU.sparse.name') === true) {
        throw archiveUnsupported(file.path, position, `"${fullName}" is a sparse file, which cannot be read in place`);
      }
      if (header.type === '0' || header.type === '7') {
        yield { name: name(), offset: bodyBegin, size };
      } else if (header.type === '1') {
        const linkOf = safeName(pax?.get('linkpath') ?? longLink ?? header.linkName);
        if (linkOf !== undefined) yield { name: name(), linkOf };
      }
      longName = undefined;
      longLink = undefined;
      pax = undefined;
    }
    position = bodyBegin + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
  }
}

function noHeader(path: string, position: number, block: Buffer): MillraceError {
  const other = OTHER_FORMATS.find(([, begin]) => block.toString('hex').startsWith(begin));
  return position > 0 || other === undefined
    ? archiveCorrupt(path, position, 'expected a tar header')
    : archiveUnsupported(path, position, `its name says that it is a tar, but it is packed by ${other[0]}`);
}

/** A hard link may tell the size of what it links to, but has no body (as GNU tar reads it). */
function bodySizeOf({ type, size }: TarHeader): number {
  return type === '1' ? 0 : size;
}
