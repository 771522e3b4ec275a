/** URLs as they may be shown, logged and written to disk, and the names of files in them: user names, passwords and queries are where credentials travel. */
import { createHash } from 'node:crypto';

/** A URL without user name, password and query. */
export function displayUrl(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

/** The last part of a URL's path; empty when it has none that can be decoded. */
export function fileNameOf(url: string): string {
  try {
    return decodeURIComponent(new URL(url).pathname.split('/').at(-1) ?? '');
  } catch {
    return '';
  }
}

/** Tells one source from another without holding its secrets: the URL as shown, and a digest of the rest when there is any. */
export function sourceKey(url: string): string {
  const { search, username, password } = new URL(url);
  const shown = displayUrl(url);
  if (`${search}${username}${password}` === '') return shown;
  return `${shown}#${createHash('sha256').update(url).digest('hex').slice(0, 16)}`;
}
