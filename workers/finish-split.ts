/** Finishing a split whose shards are all there: mean, list of rejected records, and last the manifest, its commit point. */
import { readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { encodePng, toPicture } from '../lib/pixels/encode.js';
import { writeFileAtomic } from '../lib/platform/atomic-file.js';
import { MEAN_FILE, MEAN_PICTURE_FILE, REJECTED_FILE, shardName } from '../lib/platform/root-layout.js';
import { encodeBlobProto } from '../lib/shards/blob-proto.js';
import { versionOf, writeManifest, type Manifest } from '../lib/shards/manifest.js';
import {
  channelStatisticsOf,
  createPixelSums,
  decodePixelSums,
  meanImageOf,
  mergePixelSums,
} from '../lib/shards/pixel-sums.js';
import { writeLabels } from '../lib/shards/split-labels.js';
import { PIXEL_SUMS_FILE, SHARD_RECORD_FILE, type ShardRecord } from '../lib/shards/shard-record.js';
import { countClasses, labelsOf } from './count-classes.js';
import type { SplitPlan } from './plan.js';

/** Writes what makes a split of its shards. `records` are the shards', in order. */
export async function finishSplit(
  dataset: string,
  plan: SplitPlan,
  folder: string,
  records: readonly ShardRecord[],
): Promise<Manifest> {
  const { size } = plan.options;
  const shape = { height: size, width: size, channels: 3 };
  const sums = createPixelSums(shape);
  for (let shard = 0; shard < records.length; shard++) {
    const path = join(folder, shardName(shard), PIXEL_SUMS_FILE);
    mergePixelSums(sums, decodePixelSums(await readFile(path), shape, path));
  }
  const statistics = channelStatisticsOf(sums);
  const rejected = records.flatMap((record) => record.rejected);
  const mean = meanImageOf(sums);
  await writeFileAtomic(join(folder, MEAN_FILE), encodeBlobProto(mean));
  await writeFileAtomic(join(folder, MEAN_PICTURE_FILE), await encodePng(toPicture(shape, mean.data)));
  await writeFileAtomic(join(folder, REJECTED_FILE), rejected.map((line) => `${JSON.stringify(line)}\n`).join(''));
  await removeOtherShards(folder, records.length);

  const manifest: Manifest = {
    formatVersion: 1,
    dataset,
    split: basename(folder),
    version: versionOf(
      shape,
      records.map(({ contentDigest }) => contentDigest),
    ),
    numSamples: sums.numImages,
    numRejected: rejected.length,
    shape,
    shards: records.map(({ numSamples, bytes, sha256, contentDigest }, shard) => ({
      path: shardName(shard),
      numSamples,
      bytes,
      sha256,
      contentDigest,
    })),
    classes: plan.source.classes,
    classCounts: countClasses(plan, folder, records),
    channelMean: statistics.mean,
    channelStd: statistics.std,
    source: { archives: [...plan.source.files] },
    options: plan.options,
  };
  await writeLabels(folder, manifest.version, labelsOf(plan, folder, records));
  await writeManifest(folder, manifest);
  return manifest;
}

/** Removes what only an unfinished split needs. Safe to call again. */
export async function removeConversionFiles(folder: string, manifest: Manifest): Promise<void> {
  for (const { path } of manifest.shards) {
    for (const file of [PIXEL_SUMS_FILE, SHARD_RECORD_FILE]) await rm(join(folder, path, file), { force: true });
  }
}

/** Shards past the last are of an earlier run with other options that was never finished. */
async function removeOtherShards(folder: string, numShards: number): Promise<void> {
  const ours = new Set(Array.from({ length: numShards }, (_, shard) => shardName(shard)));
  for (const name of await readdir(folder)) {
    if (/^shard-\d+$/.test(name) && !ours.has(name)) await rm(join(folder, name), { recursive: true });
  }
}
