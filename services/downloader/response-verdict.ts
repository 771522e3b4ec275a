/** What a response means for the part that is at hand: one pure decision, so that every odd server is a row in a test. */
import {
  agreesWith,
  contentLengthOf,
  contentRangeOf,
  headerOf,
  retryAfterMsOf,
  validatorOf,
  type Headers,
  type Validator,
} from './response-headers.js';

/** What was asked for, and what is known of the file. */
export interface Asked {
  /** First byte that is missing; undefined when the request was for the whole file. */
  readonly offset: number | undefined;
  /** Bytes before `offset` that were asked for too, see overlap.ts. */
  readonly overlapBytes: number;
  /** Length of the file when the part was begun; undefined when nobody knew. */
  readonly totalBytes: number | undefined;
  /** State of the file that the part was begun with; undefined when it had none, or was begun at another source. */
  readonly validator: Validator | undefined;
  /** Length by the catalog. */
  readonly expectedBytes: number | undefined;
}

export type Verdict =
  /** The file from its first byte; a part at hand is void. `isDelimited`: an early end would be noticed. */
  | {
      readonly kind: 'whole';
      readonly totalBytes: number | undefined;
      readonly validator: Validator | undefined;
      readonly isDelimited: boolean;
    }
  /** The bytes from our offset on, after the overlap. */
  | { readonly kind: 'rest'; readonly totalBytes: number; readonly validator: Validator | undefined }
  /** There are no more bytes than those at hand. */
  | { readonly kind: 'complete'; readonly totalBytes: number }
  /**
   * The part cannot be gone on with here: ask for the whole file, and keep the part until that comes. `isChanged`: because it is
   * another file by now, not because of an odd answer.
   */
  | { readonly kind: 'ask-whole'; readonly reason: string; readonly isChanged: boolean }
  /** `isBusy`: the server has too much to do. */
  | {
      readonly kind: 'retry';
      readonly reason: string;
      readonly retryAfterMs: number | undefined;
      readonly isBusy: boolean;
    }
  | { readonly kind: 'refuse'; readonly reason: string };

/** Judges a response that is no redirect. `nowMs` is the time since the epoch, for a Retry-After that is a date. */
export function judgeResponse(status: number, headers: Headers, asked: Asked, nowMs: number): Verdict {
  if (status === 408 || status === 429 || status >= 500) {
    return {
      kind: 'retry',
      reason: `the server answered ${status}`,
      retryAfterMs: retryAfterMsOf(headers, nowMs),
      isBusy: status === 429 || status === 503,
    };
  }
  const encoding = headerOf(headers, 'content-encoding');
  if ((status === 200 || status === 206) && encoding !== undefined && encoding !== 'identity') {
    // Some servers encode only what is asked for in part.
    if (status === 206 && asked.offset !== undefined)
      return askWhole(`the server sends the rest in "${encoding}" encoding`, false);
    return {
      kind: 'refuse',
      reason: `the server sends the file in "${encoding}" encoding though asked not to, so lengths and offsets mean nothing; use another source`,
    };
  }
  switch (status) {
    case 200:
      return judgeWhole(headers, asked);
    case 206:
      return judgeRest(headers, asked);
    case 416:
      return judgeUnsatisfiable(headers, asked);
    default:
      return { kind: 'refuse', reason: refusalText(status) };
  }
}

function judgeWhole(headers: Headers, { expectedBytes }: Asked): Verdict {
  const totalBytes = contentLengthOf(headers);
  if (totalBytes !== undefined && expectedBytes !== undefined && totalBytes !== expectedBytes) {
    return {
      kind: 'refuse',
      reason: `the server offers ${totalBytes} bytes, expected ${expectedBytes}: not that file`,
    };
  }
  const isDelimited = totalBytes !== undefined || headerOf(headers, 'transfer-encoding') !== undefined;
  return { kind: 'whole', totalBytes, validator: validatorOf(headers), isDelimited };
}

function judgeRest(headers: Headers, asked: Asked): Verdict {
  if (asked.offset === undefined) {
    const reason = 'the server sent a part (206) when asked for the whole';
    return { kind: 'retry', reason, retryAfterMs: undefined, isBusy: false };
  }
  const range = contentRangeOf(headers);
  const begin = asked.offset - asked.overlapBytes;
  if (range?.begin !== begin || range.totalBytes === undefined) {
    const got = headerOf(headers, 'content-range') ?? 'none';
    return askWhole(`the server sent another range than bytes ${begin}- (${got})`, false);
  }
  const knownBytes = asked.totalBytes ?? asked.expectedBytes ?? Math.max(asked.offset, range.totalBytes);
  if (range.totalBytes !== knownBytes) {
    return askWhole(`the file has ${range.totalBytes} bytes now, had ${knownBytes}`, true);
  }
  if (asked.validator !== undefined && !agreesWith(headers, asked.validator)) {
    return askWhole(`the file changed on the server (${asked.validator.kind} differs)`, true);
  }
  return { kind: 'rest', totalBytes: range.totalBytes, validator: asked.validator ?? validatorOf(headers) };
}

function judgeUnsatisfiable(headers: Headers, asked: Asked): Verdict {
  if (asked.offset === undefined) return { kind: 'refuse', reason: refusalText(416) };
  const totalBytes = contentRangeOf(headers)?.totalBytes;
  const hasAll = totalBytes === asked.offset && (asked.totalBytes ?? totalBytes) === totalBytes;
  if (hasAll && (asked.validator === undefined || agreesWith(headers, asked.validator))) {
    return { kind: 'complete', totalBytes };
  }
  return askWhole(`the server has nothing at offset ${asked.offset}: its file changed`, true);
}

function askWhole(reason: string, isChanged: boolean): Verdict {
  return { kind: 'ask-whole', reason, isChanged };
}

/** Why the whole file came though the rest of it was asked for. */
export function restartReason(headers: Headers, { validator }: Asked): string {
  const isSame = validator === undefined || agreesWith(headers, validator);
  return isSame ? 'the server does not resume (it answered 200)' : 'the file changed on the server';
}

/** Why a status means no, and what to do about it. */
export function refusalText(status: number): string {
  switch (status) {
    case 401:
    case 403:
      return `the server answered ${status}: the file needs a login or an agreement to its terms; give the login with --header, --cookie, --netrc or --bearer-file, or fetch it in a browser and place it by hand`;
    case 404:
    case 410:
      return `the server answered ${status}: there is no such file; check the URL or use another source`;
    case 407:
      return 'the proxy asks for a login (407): put user and password into the URL of HTTP_PROXY or HTTPS_PROXY';
    default:
      return `the server answered ${status}, expected 200 or 206; check the URL`;
  }
}
