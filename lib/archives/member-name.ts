/** A member's name without leading `./`; undefined when it is empty, absolute or has a `..` in it, that is, leaves its root. */
export function safeName(name: string): string | undefined {
  const relative = name.replace(/^(\.\/+)+/, '');
  const isUnsafe = relative === '' || relative.startsWith('/') || relative.split('/').includes('..');
  return isUnsafe ? undefined : relative;
}
