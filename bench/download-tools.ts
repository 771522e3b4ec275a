/** The downloaders that are compared, each as the command line that a careful user would give. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Path that every bench server serves its file under. */
export const FILE = 'images.bin';

export interface Tool {
  readonly name: string;
  /** The command that brings `url`, which ends in `/` + {@link FILE}, into `folder`. */
  command(url: string, folder: string): string[];
  /** Where the file then lies. */
  target(folder: string): string;
}

const inFolder = (folder: string): string => join(folder, FILE);

export function curl(...flags: string[]): Tool {
  return {
    name: 'curl',
    command: (url, folder) => ['curl', '-sS', ...flags, '-o', inFolder(folder), url],
    target: inFolder,
  };
}

/** Verifies while it fetches, as simply as it can be done; what the digest is compared with is left out. */
export function curlWithMd5(): Tool {
  return {
    name: 'curl, tee, md5sum at once',
    command: (url, folder) => [
      'bash',
      '-c',
      'set -o pipefail; curl -sS "$0" | tee "$1" | md5sum',
      url,
      inFolder(folder),
    ],
    target: inFolder,
  };
}

export function wget(...flags: string[]): Tool {
  return { name: 'wget', command: (url, folder) => ['wget', '-q', ...flags, '-P', folder, url], target: inFolder };
}

export function aria2(...flags: string[]): Tool {
  return {
    name: 'aria2c',
    command: (url, folder) => ['aria2c', '-q', '--file-allocation=none', ...flags, '-d', folder, '-o', FILE, url],
    target: inFolder,
  };
}

const MILLRACE = fileURLToPath(new URL('../cli/main.js', import.meta.url));

export function millrace(...flags: string[]): Tool {
  return {
    name: 'millrace',
    command: (url, folder) => [process.execPath, MILLRACE, 'download', url, '--root', folder, ...flags],
    target: (folder) => join(folder, 'archives', FILE),
  };
}
