/** Reading a finished split: samples by dense id, wherever their shard is. */
import { fstatSync } from 'node:fs';
import { MillraceError } from '../core/errors.js';
import type { MeanImage } from './blob-proto.js';
import type { Datum } from './datum.js';
import { hasOneShape, type AnyManifest, type Manifest } from './manifest.js';
import { OpenFiles, ShardFile } from './open-files.js';
import { readShard, type RecordPlace, type ShardReader } from './shard-reader.js';
import { proveReplaced } from './replaced-shards.js';
import { fixSplit, type SplitIdentity } from './split-files.js';
import { groupByLabel, readLabels } from './split-labels.js';

/** A split whose samples have one shape: what batches are made of. */
export interface SplitReader extends AnySplitReader {
  readonly manifest: Manifest;
  readonly mean: MeanImage;
}

export interface AnySplitReader {
  readonly folder: string;
  readonly manifest: AnyManifest;
  readonly identity: SplitIdentity;
  /** Undefined when samples differ in shape. */
  readonly mean: MeanImage | undefined;
  /** Whether a shard could not be had: what lies in the folder is better opened anew. */
  isStale(): boolean;
  /** The ids of each label's samples, ascending; found once. Throws what `read` throws. */
  idsByLabel(): Promise<ReadonlyMap<number, Uint32Array>>;
  /** A sample's key; the id in `[0, numSamples)`. */
  keyOf(sampleId: number): string;
  /** Where a sample's record lies. Throws ERR_SHARD_CORRUPT as `read` does. */
  placeOf(sampleId: number): RecordPlace;
  /**
   * Reads the samples with these ids; `visit` is told the place in `ids` and is called in no particular order. The Datum is
   * the reader's own memory: valid only inside `visit`.
   * Throws ERR_SHARD_CORRUPT when a shard is missing or does not hold what the manifest says, ERR_VERSION_CHANGED when another version of the
   * split is in its place, ERR_OVER_LIMIT when no file can be opened.
   */
  read(ids: ArrayLike<number>, visit: (datum: Datum, place: number) => void): void;
  close(): Promise<void>;
}

/**
 * Opens the split in `folder`; shards are opened when first read, and as `files` has room. Throws ERR_NOT_FOUND when there is no finished
 * split, ERR_OPTIONS_DIFFER when its samples differ in shape, ERR_SHARD_CORRUPT as {@link proveReplaced} does.
 *
 * @param before what it was when it was opened another time
 */
export async function openSplit(folder: string, files?: OpenFiles, before?: SplitIdentity): Promise<SplitReader> {
  const split = await openAnySplit(folder, files, before);
  const { manifest, mean } = split;
  if (mean !== undefined && hasOneShape(manifest)) return { ...split, manifest, mean };
  await split.close();
  throw new MillraceError(
    'ERR_OPTIONS_DIFFER',
    `${manifest.dataset}/${manifest.split} was prepared with --resize ${manifest.options.resize} --fit ${manifest.options.fit}: its images ` +
      'differ in shape, and a batch needs one; prepare it with --fit exact or cover, under another name (--as)',
  );
}

/** As {@link openSplit}, whatever shapes its samples have. */
export async function openAnySplit(
  folder: string,
  openFiles = new OpenFiles(),
  before?: SplitIdentity,
): Promise<AnySplitReader> {
  const fixed = await fixSplit(folder);
  const { held, manifest, mean, identity, shardOptions } = fixed;
  try {
    if (before !== undefined) await proveReplaced(fixed, before);
  } catch (error) {
    held.close();
    throw error;
  }
  const files = shardOptions.map((options) => new ShardFile(openFiles, options));
  const shards = files.map((): ShardReader | undefined => undefined);
  const begins = shardBegins(manifest);

  const shardAt = (index: number): ShardReader => {
    const known = shards[index];
    if (known !== undefined) return known;
    const shard = readShard(files[index]);
    checkShard(shard, files[index], manifest, index);
    shards[index] = shard;
    return shard;
  };

  const read: AnySplitReader['read'] = (ids, visit) => {
    const placesByShard = new Map<number, number[]>();
    for (let place = 0; place < ids.length; place++) {
      const shard = shardOf(begins, ids[place]);
      const places = placesByShard.get(shard);
      if (places === undefined) placesByShard.set(shard, [place]);
      else places.push(place);
    }
    for (const [shard, places] of placesByShard) {
      let next = 0;
      shardAt(shard).read(
        places.map((place) => ids[place] - begins[shard]),
        (datum) => visit(datum, places[next++]),
      );
    }
  };
  let groups: Promise<ReadonlyMap<number, Uint32Array>> | undefined;

  return {
    folder,
    manifest,
    identity,
    mean,
    isStale: () => files.some(({ isLost }) => isLost),
    idsByLabel() {
      groups ??= readLabels(held.path, manifest, read)
        .then(groupByLabel)
        .catch((error: unknown) => {
          // A failure is not kept: the next stream tries again.
          groups = undefined;
          throw error;
        });
      return groups;
    },
    keyOf(sampleId) {
      const index = shardOf(begins, sampleId);
      return shardAt(index).keyAt(sampleId - begins[index]);
    },
    placeOf(sampleId) {
      const index = shardOf(begins, sampleId);
      return shardAt(index).placeOf(sampleId - begins[index]);
    },
    read,
    close() {
      for (const file of files) file.close();
      held.close();
      return Promise.resolve();
    },
  };
}

/** Throws ERR_SHARD_CORRUPT when it cannot be the shard that the manifest has there. That it is, only its content would tell. */
function checkShard(shard: ShardReader, file: ShardFile, { shards, options }: AnyManifest, index: number): void {
  const { numSamples, bytes } = shards[index];
  const corrupt = (what: string): MillraceError =>
    new MillraceError('ERR_SHARD_CORRUPT', `${file.path} ${what}`, { context: { path: file.path } });
  const fileBytes = file.use((descriptor) => fstatSync(descriptor).size);
  if (fileBytes !== bytes) throw corrupt(`has ${fileBytes} bytes where the manifest says ${bytes}`);
  if (shard.numSamples !== numSamples) {
    throw corrupt(`holds ${shard.numSamples} records where the manifest says ${numSamples}`);
  }
  if (numSamples === 0) return;
  const begin = index * options.shardSamples;
  for (const key of [shard.keyAt(0), shard.keyAt(numSamples - 1)]) {
    const place = Number.parseInt(key);
    if (!(place >= begin && place < begin + options.shardSamples)) {
      throw corrupt(`holds "${key}" where there are only records ${begin} to ${begin + options.shardSamples - 1}`);
    }
  }
}

/** `begins[i]` is the first id of shard i; one more at the end. */
function shardBegins(manifest: AnyManifest): Float64Array {
  const begins = new Float64Array(manifest.shards.length + 1);
  manifest.shards.forEach((shard, index) => {
    begins[index + 1] = begins[index] + shard.numSamples;
  });
  return begins;
}

/** The shard that holds an id, by bisection. Throws ERR_OUT_OF_RANGE. */
function shardOf(begins: Float64Array, sampleId: number): number {
  const numSamples = begins[begins.length - 1];
  if (!(sampleId >= 0 && sampleId < numSamples)) {
    throw new MillraceError('ERR_OUT_OF_RANGE', `expected a sample id of [0, ${numSamples}), got ${sampleId}`);
  }
  let low = 0;
  let high = begins.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (begins[middle] <= sampleId) low = middle;
    else high = middle - 1;
  }
  return low;
}
