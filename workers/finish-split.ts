/** Finishing a split whose shards are all there: mean, list of rejected records, and last the manifest, its commit point. */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SampleShape } from '../lib/core/tensor.js';
import { encodePng, toPicture } from '../lib/pixels/encode.js';
import { writeFileAtomic } from '../lib/platform/atomic-file.js';
import {
  MEAN_FILE,
  MEAN_PICTURE_FILE,
  PIXEL_SUMS_FILE,
  REJECTED_FILE,
  shardName,
  STD_FILE,
} from '../lib/platform/root-layout.js';
import { encodeBlobProto } from '../lib/shards/blob-proto.js';
import { versionOf, writeManifest, type AnyManifest } from '../lib/shards/manifest.js';
import {
  channelStatisticsOf,
  decodePixelSums,
  meanImageOf,
  mergePixelSums,
  PIXEL_SHAPE,
  stdImageOf,
  type PixelSums,
} from '../lib/shards/pixel-sums.js';
import { writeLabels } from '../lib/shards/split-labels.js';
import { shapeOf } from '../lib/shards/sample-shape.js';
import type { ShardRecord } from '../lib/shards/shard-record.js';
import { countClasses, labelsOf } from './count-classes.js';
import type { SplitPlan } from './plan.js';

/** Writes what makes a split of its shards in `folder`, which need not be its own yet. `records` are the shards', in order. */
export async function finishSplit(
  { dataset, split }: Pick<AnyManifest, 'dataset' | 'split'>,
  plan: SplitPlan,
  folder: string,
  records: readonly ShardRecord[],
): Promise<AnyManifest> {
  const shape = shapeOf(plan.options);
  const sumsShape = shape ?? PIXEL_SHAPE;
  const sums = await mergePixelSums(sumsShape, readPixelSums(folder, sumsShape, records.length));
  const statistics = channelStatisticsOf(sums);
  const rejected = records.flatMap((record) => record.rejected);
  if (shape === null) await removeMean(folder);
  else await writeMean(folder, sums);
  await writeFileAtomic(join(folder, REJECTED_FILE), rejected.map((line) => `${JSON.stringify(line)}\n`).join(''));
  await removeOtherShards(folder, records.length);

  const labels = labelsOf(plan, folder, records);
  const manifest: AnyManifest = {
    formatVersion: 1,
    dataset,
    split,
    version: versionOf(
      plan.options,
      shape,
      records.map(({ contentDigest }) => contentDigest),
    ),
    numSamples: records.reduce((sum, { numSamples }) => sum + numSamples, 0),
    numRejected: rejected.length,
    shape,
    shards: records.map(({ numSamples, bytes, contentDigest }, shard) => ({
      path: shardName(shard),
      numSamples,
      bytes,
      contentDigest,
    })),
    classes: plan.source.classes,
    classCounts: countClasses(labels, plan.source.classes.length),
    channelMean: statistics.mean,
    channelStd: statistics.std,
    source: { archives: [...plan.source.files] },
    options: plan.options,
  };
  await writeLabels(folder, manifest.version, labels);
  await writeManifest(folder, manifest);
  return manifest;
}

async function* readPixelSums(folder: string, shape: SampleShape, numShards: number): AsyncGenerator<PixelSums> {
  for (let shard = 0; shard < numShards; shard++) {
    const path = join(folder, shardName(shard), PIXEL_SUMS_FILE);
    yield decodePixelSums(await readFile(path), shape, path);
  }
}

async function writeMean(folder: string, sums: PixelSums): Promise<void> {
  const mean = meanImageOf(sums);
  await writeFileAtomic(join(folder, MEAN_FILE), encodeBlobProto(mean));
  await writeFileAtomic(join(folder, STD_FILE), encodeBlobProto(stdImageOf(sums)));
  await writeFileAtomic(join(folder, MEAN_PICTURE_FILE), await encodePng(toPicture(mean.shape, mean.data)));
}

/** An earlier run with other options may have got so far. */
async function removeMean(folder: string): Promise<void> {
  for (const file of [MEAN_FILE, STD_FILE, MEAN_PICTURE_FILE]) await rm(join(folder, file), { force: true });
}

/** Shards past the last are of an earlier run with other options that was never finished. */
async function removeOtherShards(folder: string, numShards: number): Promise<void> {
  const ours = new Set(Array.from({ length: numShards }, (_, shard) => shardName(shard)));
  for (const name of await readdir(folder)) {
    if (/^shard-\d+$/.test(name) && !ours.has(name)) await rm(join(folder, name), { recursive: true });
  }
}
