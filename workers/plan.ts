/** The plan of a split: which record goes where. A pure function of its source and options, whatever machine it is made on. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { MillraceError } from '../lib/core/errors.js';
import { recordKey } from '../lib/core/image-list.js';
import { createPermutation } from '../lib/core/permutation.js';
import { shardName } from '../lib/platform/root-layout.js';
import type { PrepareOptions } from '../lib/shards/manifest.js';
import { folderOf, recordNameOf, type SplitSource } from './split-source.js';
import type { ConvertTask, RecordOptions } from './task.js';

export interface PlanOptions extends RecordOptions {
  /** Seed of the order; null: as listed. */
  readonly shuffleSeed: number | null;
  /** Records a shard. Undefined: {@link defaultShardSamples}. */
  readonly shardSamples?: number | undefined;
}

export interface SplitPlan {
  readonly source: SplitSource;
  readonly options: PrepareOptions;
  readonly numRecords: number;
  readonly numShards: number;
  /** The task of one shard, to stand in the split's folder. Made anew at each call: a plan of millions keeps only numbers. */
  taskOf(shard: number, splitFolder: string): ConvertTask;
}

/** A shard about this large is quick to verify and to move, and few enough of them make a large dataset. */
const SHARD_BYTES = 1e9;
/** Small splits are cut too, so that several workers have something to do… */
const MIN_SHARDS = 8;
/** …but not into crumbs. */
const MIN_SHARD_SAMPLES = 64;

/**
 * Records a shard when nobody says otherwise: about 1 GB of them; fewer when that makes less than eight shards, but 64 at least.
 * It depends on the split alone, never on the number of workers, so that the bytes are the same everywhere.
 *
 * @param recordBytes of a record, about
 */
export function defaultShardSamples(numRecords: number, recordBytes: number): number {
  const most = Math.max(1, Math.floor(SHARD_BYTES / recordBytes));
  return Math.min(most, Math.max(MIN_SHARD_SAMPLES, Math.ceil(numRecords / MIN_SHARDS)));
}

/** LMDB gives a record whole pages. */
const PAGE_BYTES = 4096;
/** Of images that keep their sizes, in square: ImageNet's have 500 × 375 pixels. */
const UNKNOWN_SIDE = 433;
/** ImageNet's images at quality 95 take 32 kB of 256 × 256 pixels. */
const JPEG_BYTES_PER_PIXEL = 0.5;

function expectedRecordBytes(
  { record, rawShare = 0, size = UNKNOWN_SIDE }: RecordOptions,
  { archive }: SplitSource,
  { members }: Records,
): number {
  const inPages = (bytes: number): number => Math.ceil((bytes + PAGE_BYTES) / PAGE_BYTES) * PAGE_BYTES;
  const raw = inPages(3 * size * size);
  if (record === 'raw') return raw;
  if (record === 'original') {
    const fileBytes = members.reduce((sum, member) => sum + (member === NOT_THERE ? 0 : archive.index.size(member)), 0);
    return inPages(fileBytes / members.length);
  }
  return rawShare * raw + (1 - rawShare) * inPages(JPEG_BYTES_PER_PIXEL * size * size);
}

/** Throws ERR_NOT_FOUND when the source has no record, ERR_VERIFICATION when a folder is not among the classes. */
export function planSplit(source: SplitSource, options: PlanOptions): SplitPlan {
  const records = source.list === undefined ? recordsOfFolders(source) : recordsOfList(source);
  const numRecords = records.members.length;
  if (numRecords === 0) {
    const where =
      source.list === undefined ? `${source.archive.membersPath} under "${source.entry.prefix}"` : 'the label list';
    throw new MillraceError('ERR_NOT_FOUND', `no images in ${where}; check the dataset's archive, layout and prefix`);
  }
  const { shuffleSeed, shardSamples: asked, ...recordOptions } = options;
  const shardSamples = asked ?? defaultShardSamples(numRecords, expectedRecordBytes(recordOptions, source, records));
  const decided: PrepareOptions = { ...recordOptions, shuffleSeed, shardSamples };
  const order =
    shuffleSeed === null ? undefined : createPermutation({ numSamples: numRecords, seed: shuffleSeed, epoch: 0 });
  const { index, membersPath, isFolder } = source.archive;
  // Each file of a folder is known by itself, so that one that is added or changed costs only its shard.
  const { archive, prefix } = source.entry;
  const identity = isFolder ? `${archive} ${prefix}` : `${archive} ${source.files[0].md5}`;

  return {
    source,
    options: decided,
    numRecords,
    numShards: Math.ceil(numRecords / shardSamples),
    taskOf(shard, splitFolder) {
      const begin = shard * shardSamples;
      const count = Math.min(shardSamples, numRecords - begin);
      const keys: string[] = [];
      const labels = new Int32Array(count);
      const offsets = new Float64Array(count);
      const sizes = new Float64Array(count);
      const files: string[] = [];
      const digest = createHash('sha256').update(
        `${JSON.stringify(recordOptions, Object.keys(recordOptions).sort())} ${identity}\n`,
      );
      for (let i = 0; i < count; i++) {
        const record = order === undefined ? begin + i : order.at(begin + i);
        const member = records.members[record];
        const key = recordKey(begin + i, records.nameOf(record));
        keys.push(key);
        labels[i] = records.labels[record];
        offsets[i] = member === NOT_THERE ? Number.NaN : index.offset(member);
        if (isFolder) files.push(member === NOT_THERE ? '' : index.name(member));
        sizes[i] = member === NOT_THERE ? 0 : index.size(member);
        digest.update(`${key} ${labels[i]} ${offsets[i]} ${sizes[i]}\n`);
      }
      return {
        folder: join(splitFolder, shardName(shard)),
        archive,
        membersPath,
        options: recordOptions,
        taskDigest: digest.digest('hex'),
        keys,
        labels,
        offsets,
        sizes,
        files: isFolder ? files : undefined,
      };
    },
  };
}

/** The records in the source's order, before any shuffle. */
interface Records {
  /** Member of the archive's index, or {@link NOT_THERE}. */
  readonly members: Int32Array;
  readonly labels: Int32Array;
  readonly nameOf: (record: number) => string;
}

const NOT_THERE = -1;

function recordsOfList({ list = [], archive, entry }: SplitSource): Records {
  const members = new Int32Array(list.length);
  const labels = new Int32Array(list.length);
  list.forEach(({ name, label }, record) => {
    members[record] = archive.index.find(entry.prefix + name) ?? NOT_THERE;
    labels[record] = label;
  });
  return { members, labels, nameOf: (record) => list[record].name };
}

function recordsOfFolders({ archive: { index }, entry, classes }: SplitSource): Records {
  const labelOf = new Map(classes.map(({ id }, label) => [id, label]));
  const members: number[] = [];
  const labels: number[] = [];
  for (let member = 0; member < index.numMembers; member++) {
    const folder = folderOf(recordNameOf(index.name(member), entry.prefix) ?? '');
    if (folder === undefined) continue;
    const label = labelOf.get(folder);
    if (label === undefined) {
      throw new MillraceError(
        'ERR_VERIFICATION',
        `${entry.archive}: folder "${folder}" is not among the dataset's classes`,
        {
          context: { folder },
        },
      );
    }
    members.push(member);
    labels.push(label);
  }
  return {
    members: Int32Array.from(members),
    labels: Int32Array.from(labels),
    nameOf: (record) => recordNameOf(index.name(members[record]), entry.prefix) ?? '',
  };
}
