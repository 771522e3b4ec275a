/** Reading the response headers that a safe resume rests on (RFC 9110). */
import { z } from 'zod';

export type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** What tells one state of a remote file from another: fit for `If-Range`, hence strong. */
export const validatorSchema = z.strictObject({
  kind: z.enum(['etag', 'last-modified']),
  /** The header's value as the server sent it. */
  value: z.string().min(1),
});
export type Validator = z.infer<typeof validatorSchema>;

/** A Last-Modified closer to the response's Date than this may hide a second change within its one-second clock. */
const STRONG_DATE_AGE_MS = 60_000;

/** The value of a header, the first one when it was sent more than once. */
export function headerOf(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : value?.[0];
}

/** A strong ETag, else a Last-Modified that is strong by its age; undefined when the response has neither. */
export function validatorOf(headers: Headers): Validator | undefined {
  const etag = headerOf(headers, 'etag');
  if (etag?.startsWith('"') === true) return { kind: 'etag', value: etag };
  const modified = headerOf(headers, 'last-modified');
  const date = headerOf(headers, 'date');
  if (modified === undefined || date === undefined) return undefined;
  const isStrong = Date.parse(date) - Date.parse(modified) >= STRONG_DATE_AGE_MS;
  return isStrong ? { kind: 'last-modified', value: modified } : undefined;
}

/** Whether a response speaks of the state that `validator` stands for; one that carries no such header does not object. */
export function agreesWith(headers: Headers, validator: Validator): boolean {
  const theirs = headerOf(headers, validator.kind);
  return theirs === undefined || theirs === validator.value;
}

export interface ContentRange {
  /** Offset of the first byte sent; undefined in the form `bytes *\/total` of a 416. */
  readonly begin: number | undefined;
  /** Length of the whole file; undefined when the server says `*`. */
  readonly totalBytes: number | undefined;
}

/** Undefined when there is no such header or it is not a range of bytes. */
export function contentRangeOf(headers: Headers): ContentRange | undefined {
  const match = /^bytes (?:(\d+)-(\d+)|\*)\/(\d+|\*)$/.exec(headerOf(headers, 'content-range') ?? '');
  if (match === null) return undefined;
  const [, begin, , total] = match as unknown as [string, string | undefined, string | undefined, string];
  return {
    begin: begin === undefined ? undefined : Number(begin),
    totalBytes: total === '*' ? undefined : Number(total),
  };
}

/** The Content-Length in bytes, when it is a number. */
export function contentLengthOf(headers: Headers): number | undefined {
  const value = headerOf(headers, 'content-length');
  return value !== undefined && /^\d+$/.test(value) ? Number(value) : undefined;
}

/** The wait that Retry-After asks for, as seconds or as a date, in milliseconds from `nowMs` (since the epoch); never negative. */
export function retryAfterMsOf(headers: Headers, nowMs: number): number | undefined {
  const value = headerOf(headers, 'retry-after')?.trim();
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}
