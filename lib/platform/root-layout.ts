/** Words on disk: where each product lives under the root. */
import { join } from 'node:path';

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
/** In a shard's folder until its split is finished: its facts, and its pixel sums. */
export const SHARD_RECORD_FILE = 'shard.json';
export const PIXEL_SUMS_FILE = 'pixel-sums.f64';
