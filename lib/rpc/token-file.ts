/**
 * The file of `--tokens`: who may call, a line each: a name, the SHA-256 of the token in hex, and limits if there are any.
 *
 *     # name  sha256  limits
 *     trainer-a 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 streams=8 bytes-per-second=500000000
 *
 * A token is 256 random bits, so that its plain hash tells nothing of it.
 */
import { createHash, randomBytes } from 'node:crypto';
import { unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { UsageError } from '../core/errors.js';
import { sleep } from '../platform/lifecycle.js';
import type { Logger } from '../platform/logger.js';

export interface TokenLimits {
  /** Streams at a time, all servers' processes counted apart. Undefined: any number. */
  readonly maxStreams: number | undefined;
  /** Bytes a second that all streams get together, of one server process. Undefined: what the wire takes. */
  readonly bytesPerSecond: number | undefined;
}

/** One line of the file. */
export interface TokenEntry extends TokenLimits {
  readonly name: string;
  /** SHA-256 of the token, 32 bytes. */
  readonly digest: Buffer;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]*$/;
const DIGEST = /^[0-9a-f]{64}$/i;
const LIMIT = /^(streams|bytes-per-second)=([1-9]\d{0,14})$/;
const TOKEN_BYTES = 32;
const WATCH_INTERVAL_MS = 1_000;
const SETTLE_MS = 250;

/** Whether a token may be called so. */
export function isTokenName(name: string): boolean {
  return NAME.test(name);
}

export function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** A new token, which is kept nowhere, and the line that lets it in. */
export function createToken(name: string, limits: TokenLimits): { readonly token: string; readonly line: string } {
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  const fields = [name, digestOf(token).toString('hex')];
  if (limits.maxStreams !== undefined) fields.push(`streams=${limits.maxStreams}`);
  if (limits.bytesPerSecond !== undefined) fields.push(`bytes-per-second=${limits.bytesPerSecond}`);
  return { token, line: fields.join(' ') };
}

/** Throws UsageError naming `--tokens` and the line, when one is not of that form, or the file has none. */
export function parseTokenFile(text: string, path: string): TokenEntry[] {
  const entries = parseLines(text, path);
  if (entries.length > 0) return entries;
  throw new UsageError('--tokens', `--tokens: ${path} holds no token; make one with "millrace token new <name>"`);
}

/**
 * Looks at the file every second, and calls `onChange` with what it says once it says something else; a file without a line lets nobody in.
 * One that cannot be read or understood changes nothing, and is told in the log. Returns what ends it.
 */
export function watchTokenFile(path: string, log: Logger, onChange: (entries: TokenEntry[]) => void): () => void {
  let known: string | undefined;
  let last = Promise.resolve();
  const look = async (): Promise<void> => {
    try {
      if ((await readFile(path, 'utf8')) === known) return;
      const text = await readSettled(path);
      const entries = parseLines(text, path);
      known = text;
      onChange(entries);
    } catch (error) {
      log.error({ err: error, path }, 'the token file cannot be used; the tokens that were known before still are');
    }
  };
  const listener = (): void => {
    last = last.then(look);
  };
  // Polled: it sees renames, links that are set anew, and mounts that tell of nothing.
  watchFile(path, { persistent: false, interval: WATCH_INTERVAL_MS }, listener);
  // It may have changed since it was read.
  listener();
  return () => unwatchFile(path, listener);
}

/** The text of a file that may be being written: what two looks, a moment apart, agree on. */
export async function readSettled(path: string): Promise<string> {
  for (let before = await readFile(path, 'utf8'); ;) {
    await sleep(SETTLE_MS);
    const now = await readFile(path, 'utf8');
    if (now === before) return now;
    before = now;
  }
}

function parseLines(text: string, path: string): TokenEntry[] {
  return text.split('\n').flatMap((line, index) => {
    const fields = line.replace(/#.*/, '').trim().split(/\s+/);
    return fields[0] === '' ? [] : [parseLine(fields, `--tokens: line ${index + 1} of ${path}`)];
  });
}

function parseLine([name, digest = '', ...limits]: readonly string[], where: string): TokenEntry {
  const fail = (what: string): never => {
    // Never the line itself: a token put there by mistake would be in the log.
    throw new UsageError('--tokens', `${where}: ${what}; "millrace token new <name>" prints such a line`);
  };
  if (!isTokenName(name)) fail('expected a name of letters, digits and . _ @ - first');
  if (!DIGEST.test(digest)) fail('expected the SHA-256 of the token, 64 hex digits, after the name');
  const values = new Map(
    limits.map((limit): [string, number] => {
      const [, key, value] =
        LIMIT.exec(limit) ?? fail('expected streams=<count> or bytes-per-second=<count> at the end');
      return [key, Number(value)];
    }),
  );
  return {
    name,
    digest: Buffer.from(digest, 'hex'),
    maxStreams: values.get('streams'),
    bytesPerSecond: values.get('bytes-per-second'),
  };
}
