/** Holding on to a folder by more than its name. */
import { closeSync, constants, existsSync, openSync } from 'node:fs';

export interface HeldFolder {
  /** Path through which files of the folder are reached, for as long as it is held. */
  readonly path: string;
  close(): void;
}

/**
 * On Linux what was opened stays within reach when the folder is renamed and another one takes its name; elsewhere the path is only the name.
 * Throws ENOENT or ENOTDIR when there is no such folder.
 */
export function holdFolder(path: string): HeldFolder {
  if (process.platform !== 'linux') return { path, close: () => undefined };
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  const held = `/proc/self/fd/${descriptor}/`;
  let isOpen = true;
  const close = (): void => {
    if (isOpen) closeSync(descriptor);
    isOpen = false;
  };
  if (existsSync(held)) return { path: held, close };
  // A system without /proc.
  close();
  return { path, close };
}
