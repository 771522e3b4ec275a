import { isUtf8 } from 'node:buffer';

/**
 * Bytes as text: UTF-8, and what is not, byte by byte as Latin-1. So names of another encoding stay apart, where U+FFFD would make
 * one of several, and a list in that encoding finds them.
 */
export function textOfBytes(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(isUtf8(bytes) ? 'utf8' : 'latin1');
}

/** A member's name without leading `./`; undefined when it is empty, absolute or has a `..` in it, that is, leaves its root. */
export function safeName(name: string): string | undefined {
  const relative = name.replace(/^(\.\/+)+/, '');
  const isUnsafe = relative === '' || relative.startsWith('/') || relative.split('/').includes('..');
  return isUnsafe ? undefined : relative;
}
