/** Words on disk: where each product lives under the root. */
import { basename, dirname, join } from 'node:path';

export function archivesFolder(root: string): string {
  return join(root, 'archives');
}

/** A verified archive; `<file>.part` and `<file>.part.json` while it comes, `<file>.index` once its members are known. */
export function archivePath(root: string, file: string): string {
  return join(archivesFolder(root), file);
}

export function datasetsFolder(root: string): string {
  return join(root, 'datasets');
}

/** A split's folder: shards, mean, rejected list, and the manifest as its commit point. */
export function splitFolder(root: string, dataset: string, split: string): string {
  return join(datasetsFolder(root), dataset, split);
}

/** Held by who prepares the split. It lies beside the split's folder, which another one may take the place of. */
export function prepareLockPath(splitFolder: string): string {
  return besideSplit(splitFolder, 'lock');
}

/** A split's next version while it is made. No split is called so: whoever looks for splits leaves names with a dot out. */
export function nextVersionFolder(splitFolder: string): string {
  return besideSplit(splitFolder, 'next');
}

/** The version that a split's last update has replaced, for streams that are on it. */
export function replacedVersionFolder(splitFolder: string): string {
  return besideSplit(splitFolder, 'replaced');
}

function besideSplit(splitFolder: string, what: string): string {
  return join(dirname(splitFolder), `.${basename(splitFolder)}.${what}`);
}

export function shardName(index: number): string {
  return `shard-${String(index).padStart(5, '0')}`;
}

export const MANIFEST_FILE = 'manifest.json';
export const MEAN_FILE = 'mean.binaryproto';
/** The standard deviation of each pixel, in the mean file's format. */
export const STD_FILE = 'std.binaryproto';
/** The mean image, for people to look at. */
export const MEAN_PICTURE_FILE = 'mean.png';
/** Labels by sample id: made from the records, and made again when it is not there. */
export const LABELS_FILE = 'labels.bin';
export const REJECTED_FILE = 'rejected.ndjson';
/** Beside a shard's data file: its facts with what it was made of, and its pixel sums. An update needs them, a reader does not. */
export const SHARD_RECORD_FILE = 'shard.json';
export const PIXEL_SUMS_FILE = 'pixel-sums.f64';
