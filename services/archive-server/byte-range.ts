/** Single byte ranges of RFC 9110, the kind that downloaders resume with. */

/** `[begin, end)`. */
export interface ByteRange {
  readonly begin: number;
  readonly end: number;
}

/**
 * What a Range header means for a file of `size` bytes: a range, `unsatisfiable` when it lies past the end, undefined when the
 * header is absent or of a form that a server may ignore (several ranges, other units, nonsense).
 */
export function parseRange(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '');
  if (match === null) return undefined;
  const [, first, last] = match;
  if (first === '' && last === '') return undefined;
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { begin: size - length, end: size };
  }
  const begin = Number(first);
  if (last !== '' && Number(last) < begin) return undefined;
  if (begin >= size) return 'unsatisfiable';
  return { begin, end: last === '' ? size : Math.min(Number(last) + 1, size) };
}

/** Whether If-Range lets a range through: no header, the strong ETag itself, or the very date of Last-Modified. */
export function isRangeCurrent(ifRange: string | undefined, etag: string, lastModified: string): boolean {
  return ifRange === undefined || ifRange === etag || ifRange === lastModified;
}
