/**
 * Which files a split is made of, fixed while its manifest is in place. Shards are opened much later than the manifest is read; what another
 * version has put at their paths by then must not be taken for them.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, MillraceError } from '../core/errors.js';
import type { SampleShape } from '../core/tensor.js';
import { identityAt, identityAtSync, type FileIdentity } from '../platform/file-identity.js';
import { holdFolder, type HeldFolder } from '../platform/held-folder.js';
import { MANIFEST_FILE, MEAN_FILE } from '../platform/root-layout.js';
import { decodeBlobProto, type MeanImage } from './blob-proto.js';
import { hasOneShape, readManifest, type AnyManifest } from './manifest.js';
import type { ShardFileOptions } from './open-files.js';
import { shardFiles } from './shard-files.js';

/** Which files a split is made of. */
export interface SplitIdentity {
  readonly manifest: FileIdentity;
  /** In the manifest's order. */
  readonly shards: readonly FileIdentity[];
}

export interface FixedSplit {
  readonly manifest: AnyManifest;
  readonly identity: SplitIdentity;
  /** Undefined when samples differ in shape. */
  readonly mean: MeanImage | undefined;
  /** The data files, in the manifest's order. One that is another file when it is opened is ERR_VERSION_CHANGED, or ERR_SHARD_CORRUPT
   * while the manifest is still the same. */
  readonly shardOptions: readonly ShardFileOptions[];
  /** The caller's to close. */
  readonly held: HeldFolder;
}

/** No file is it. */
const NO_IDENTITY = 'missing';

/** Throws ERR_NOT_FOUND when `folder` holds no finished split, ERR_SHARD_CORRUPT when manifest or mean cannot be understood. */
export async function fixSplit(folder: string): Promise<FixedSplit> {
  const held = hold(folder);
  try {
    const manifestPath = join(held.path, MANIFEST_FILE);
    for (;;) {
      const identity = await identityAt(manifestPath);
      const manifest = await readManifest(folder, held.path);
      if (identity === undefined || manifest === undefined) throw notFound(folder);
      const lost = (path: string, what: string, cause?: unknown): MillraceError =>
        identityAtSync(manifestPath) === identity ? corrupt(path, what, cause) : changed(manifest, cause);
      const mean = hasOneShape(manifest) ? await readMean(folder, held.path, manifest.shape) : undefined;
      const openPaths = shardFiles(held.path, manifest);
      const shards = await Promise.all(openPaths.map(async (path) => (await identityAt(path)) ?? NO_IDENTITY));
      // A manifest is written last and taken away first: what was found while it was in place is its own.
      if ((await identityAt(manifestPath)) !== identity) continue;
      const shardOptions = shardFiles(folder, manifest).map((path, index): ShardFileOptions => ({
        path,
        openPath: openPaths[index],
        identity: shards[index],
        lost: (what, cause) => lost(path, what, cause),
      }));
      return { held, manifest, mean, identity: { manifest: identity, shards }, shardOptions };
    }
  } catch (error) {
    held.close();
    throw error;
  }
}

function hold(folder: string): HeldFolder {
  try {
    return holdFolder(folder);
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') throw notFound(folder);
    throw error;
  }
}

async function readMean(folder: string, from: string, shape: SampleShape): Promise<MeanImage> {
  return decodeBlobProto(await readFile(join(from, MEAN_FILE)), join(folder, MEAN_FILE), shape);
}

function notFound(folder: string): MillraceError {
  const message = `${folder} holds no finished split; make one with "millrace prepare"`;
  return new MillraceError('ERR_NOT_FOUND', message, { context: { path: folder } });
}

function corrupt(path: string, what: string, cause: unknown): MillraceError {
  return new MillraceError('ERR_SHARD_CORRUPT', `${path} ${what}`, { cause, context: { path } });
}

/** Goes to clients, so it names no path. */
function changed({ dataset, split, version }: AnyManifest, cause: unknown): MillraceError {
  return new MillraceError(
    'ERR_VERSION_CHANGED',
    `version ${version} of ${dataset}/${split} is not in its place any more, and not all of it was open; start anew with an empty version`,
    { cause },
  );
}
