/**
 * One header block of a tar archive: ustar (POSIX.1-1988), with GNU's base-256 numbers; and the body of a PAX extended header
 * (POSIX.1-2001). Fields are read where GNU tar's "Basic Tar Format" page puts them.
 */
import { textOfBytes } from './member-name.js';

export const BLOCK_BYTES = 512;

export interface TarHeader {
  readonly name: string;
  /** What a link leads to; empty for anything else. */
  readonly linkName: string;
  /** Bytes of body; not yet checked against anything. NaN when the field is not a number. */
  readonly size: number;
  /** The type flag: `0` for a file (also for the old NUL), `5` for a folder, `L`, `x`, … */
  readonly type: string;
}

const SIZE_FIELD = { begin: 124, end: 136 };
const CHECKSUM_FIELD = { begin: 148, end: 156 };
const SPACE = 0x20;

/** Whether a block is all zeros, which ends an archive. */
export function isEndBlock(block: Buffer): boolean {
  return block[0] === 0 && block.every((byte) => byte === 0);
}

/** Takes a header block apart; undefined when its checksum is wrong, that is, when it is no header. */
export function parseTarHeader(block: Buffer): TarHeader | undefined {
  if (numberOf(block, CHECKSUM_FIELD.begin, CHECKSUM_FIELD.end) !== checksumOf(block)) return undefined;
  const type = block[156] === 0 ? '0' : String.fromCharCode(block[156]);
  // Only POSIX's magic means that there is a prefix; GNU's own format keeps times there.
  const isPosix = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isPosix ? textOf(block, 345, 500) : '';
  const shortName = textOf(block, 0, 100);
  const name = prefix === '' ? shortName : `${prefix}/${shortName}`;
  // Before POSIX, a folder was a file whose name ends in a slash.
  const isOldFolder = type === '0' && name.endsWith('/');
  return {
    name,
    linkName: textOf(block, 157, 257),
    size: numberOf(block, SIZE_FIELD.begin, SIZE_FIELD.end),
    type: isOldFolder ? '5' : type,
  };
}

/** The `<length> <key>=<value>\n` records of a PAX header's body; undefined when they are malformed. */
export function parsePax(body: Buffer): Map<string, string> | undefined {
  const records = new Map<string, string>();
  let position = 0;
  while (position < body.length) {
    const space = body.indexOf(SPACE, position);
    const length = space < 0 ? Number.NaN : Number(body.toString('latin1', position, space));
    const end = position + length;
    if (!Number.isInteger(length) || end <= space || end > body.length) return undefined;
    const record = body.subarray(space + 1, end - 1);
    const equals = record.indexOf('=');
    if (equals < 0) return undefined;
    records.set(textOfBytes(record.subarray(0, equals)), textOfBytes(record.subarray(equals + 1)));
    position = end;
  }
  return records;
}

/** The text of a field or body, up to its first NUL. */
export function textOf(bytes: Buffer, begin = 0, end = bytes.length): string {
  const nul = bytes.indexOf(0, begin);
  return textOfBytes(bytes.subarray(begin, nul < 0 || nul > end ? end : nul));
}

/** Octal digits; or, when the first bit is set, a big-endian number (GNU's, for what octal cannot hold). NaN for anything else. */
function numberOf(block: Buffer, begin: number, end: number): number {
  if ((block[begin] & 0x80) !== 0) {
    let value = block[begin] & 0x7f;
    for (let i = begin + 1; i < end; i++) value = value * 256 + block[i];
    return value;
  }
  const text = block.toString('latin1', begin, end).replace(/\0.*$/s, '').trim();
  if (text === '') return 0;
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.NaN;
}

/** The sum of the block's bytes, its own checksum field counted as spaces. */
function checksumOf(block: Buffer): number {
  let sum = (CHECKSUM_FIELD.end - CHECKSUM_FIELD.begin) * SPACE;
  for (let i = 0; i < CHECKSUM_FIELD.begin; i++) sum += block[i];
  for (let i = CHECKSUM_FIELD.end; i < BLOCK_BYTES; i++) sum += block[i];
  return sum;
}
