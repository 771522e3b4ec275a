/** What a server wants to see before it gives a file: each header is bound to one origin, and goes nowhere else. */
import { readFile } from 'node:fs/promises';
import { messageOf, MillraceError, UsageError } from '../../lib/core/errors.js';
import { parseNetrc, type Login } from './netrc.js';

/** Headers for one request, by lower-case name. */
export type HeadersFor = (url: URL) => Readonly<Record<string, string>>;

export interface CredentialOptions {
  /** URLs that the headers, cookie and token are given for; they have to be of one origin (scheme, host and port). */
  readonly urls: readonly string[];
  /** Each `Name: value`. */
  readonly headers?: readonly string[] | undefined;
  /** `name=value; name=value`. */
  readonly cookie?: string | undefined;
  /** File that holds a bearer token and nothing else. */
  readonly bearerFile?: string | undefined;
  /** File in the format of `.netrc`; its logins go to the hosts that it names. */
  readonly netrcFile?: string | undefined;
}

/**
 * Reads what there is. Throws UsageError, naming the flag but never its value, for a header that is none and for URLs of several
 * origins; ERR_NOT_FOUND for a file that cannot be read.
 */
export async function readCredentials(options: CredentialOptions): Promise<HeadersFor> {
  const { headers = [], cookie, bearerFile, netrcFile, urls } = options;
  const given: Record<string, string> = Object.fromEntries(headers.map(parseHeader));
  if (cookie !== undefined) given['cookie'] = checkedValue('--cookie', cookie);
  if (bearerFile !== undefined) {
    const token = (await readSecret(bearerFile)).trim();
    if (!/^[\w.~+/-]+=*$/.test(token))
      throw new UsageError('--bearer-file', `${bearerFile} does not hold a bearer token`);
    given['authorization'] = `Bearer ${token}`;
  }
  const origin = Object.keys(given).length > 0 ? onlyOrigin(urls) : undefined;
  const logins = netrcFile === undefined ? new Map<string, Login>() : parseNetrc(await readSecret(netrcFile));
  return (url) => {
    const login = loginOf(url) ?? logins.get(url.hostname);
    return {
      ...(login !== undefined && { authorization: basicAuthorization(login) }),
      ...(url.origin === origin && given),
    };
  };
}

/** Sends only what stands in a URL itself. */
export const urlCredentials: HeadersFor = (url) => {
  const login = loginOf(url);
  return login === undefined ? {} : { authorization: basicAuthorization(login) };
};

function loginOf({ username, password }: URL): Login | undefined {
  if (username === '' && password === '') return undefined;
  return { user: decodeURIComponent(username), password: decodeURIComponent(password) };
}

function basicAuthorization({ user, password }: Login): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

/** Headers that decide what bytes come; the transfer sets them itself. */
const OWN_HEADERS = new Set([
  'range',
  'if-range',
  'accept-encoding',
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
]);

function parseHeader(line: string): [name: string, value: string] {
  const match = /^([\w!#$%&'*+.^`|~-]+):(.*)$/s.exec(line);
  if (match === null) throw new UsageError('--header', '--header: expected "Name: value"');
  const [, name, value] = match;
  if (OWN_HEADERS.has(name.toLowerCase())) {
    throw new UsageError('--header', `--header: "${name}" is set by the transfer itself`);
  }
  return [name.toLowerCase(), checkedValue('--header', value.trim())];
}

function checkedValue(flag: string, value: string): string {
  if (/^[\t\x20-\x7e\x80-\xff]+$/.test(value)) return value;
  throw new UsageError(flag, `${flag}: expected one line of printable characters`);
}

function onlyOrigin(urls: readonly string[]): string {
  const origins = [...new Set(urls.filter((url) => /^https?:/.test(url)).map((url) => new URL(url).origin))];
  if (origins.length === 1) return origins[0];
  const found = origins.length === 0 ? 'no source on the web' : `sources at ${origins.join(', ')}`;
  throw new UsageError(
    '--header',
    `--header, --cookie and --bearer-file are for one host, but there are ${found}; use --netrc, or name one host with --base-url`,
  );
}

async function readSecret(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new MillraceError('ERR_NOT_FOUND', `cannot read ${path}: ${messageOf(error)}`, {
      cause: error,
      context: { path },
    });
  }
}
