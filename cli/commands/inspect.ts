import type { Command } from 'commander';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { formatBytes } from '../../lib/platform/progress.js';
import { inspectShard, inspectSplit, type LabelCounts, type SplitFacts } from '../../workers/inspect.js';
import { defineCommand } from '../command.js';
import { findPreparedDataset } from './prepared-dataset.js';

/** `millrace inspect <dataset>`: what is in a prepared dataset, or in one LMDB environment of Datums. */
export function addInspectCommand(program: Command): void {
  defineCommand(program, {
    usage: 'inspect <dataset>',
    summary: "show what a prepared dataset holds, or one shard (or Caffe's own LMDB), given by its folder",
    examples: [
      'millrace inspect imagenette --split train',
      'millrace inspect .millrace/datasets/imagenette/val/shard-00000',
    ],
    flags: (command) => command.option('--split <name>', 'one split, or "all"', 'all'),
    schema: z.object({ dataset: z.string(), split: z.string() }),
    async action(options, { root, reporter, signal, result }) {
      if (existsSync(join(options.dataset, 'data.mdb'))) {
        const { labelCounts, ...facts } = await inspectShard(options.dataset);
        const { shape } = facts;
        const lines = [
          `${options.dataset}: ${facts.numSamples} records`,
          `  keys      ${facts.firstKey ?? 'none'} … ${facts.lastKey ?? 'none'}`,
          `  form      ${shape === undefined ? 'image files' : `raw ${shape.channels}×${shape.height}×${shape.width}, planar`}`,
          `  labels    ${describeCounts(labelCounts)}`,
        ];
        result({ ...facts, labelCounts: Object.fromEntries(labelCounts) }, lines.join('\n'));
        return;
      }
      const dataset = await findPreparedDataset(root, options.dataset, options.split);
      const splits: SplitFacts[] = [];
      for (const { folder } of dataset.splits) splits.push(await inspectSplit(folder, reporter, signal));
      result(
        {
          dataset: dataset.name,
          splits: splits.map(({ manifest, labelCounts }) => ({
            ...manifest,
            labelCounts: Object.fromEntries(labelCounts),
          })),
        },
        splits.map(describeSplit).join('\n'),
      );
    },
  });
}

function describeSplit({ manifest, labelCounts }: SplitFacts): string {
  const { shape, options, channelMean, channelStd, shards, classes } = manifest;
  const bytes = shards.reduce((sum, shard) => sum + shard.bytes, 0);
  const numbers = (values: readonly number[]): string => values.map((value) => value.toFixed(3)).join(', ');
  const lines = [
    `${manifest.dataset}/${manifest.split}: version ${manifest.version}`,
    `  samples   ${manifest.numSamples}, ${manifest.numRejected} rejected`,
    `  form      ${options.record} ${shape.channels}×${shape.height}×${shape.width}, planar, ${options.resize} resize`,
    `  order     ${options.shuffleSeed === null ? 'as listed' : `shuffled by seed ${options.shuffleSeed}`}`,
    `  shards    ${shards.length} of up to ${options.shardSamples} records, ${formatBytes(bytes)}`,
    `  mean      ${numbers(channelMean)}  (B, G, R)`,
    `  std       ${numbers(channelStd)}`,
    ...manifest.source.archives.map(({ file, bytes, md5 }) => `  from      ${file}, ${formatBytes(bytes)}, MD5 ${md5}`),
    `  classes   ${classes.length}; samples a class: ${describeCounts(labelCounts)}`,
  ];
  // A page of classes is worth printing; a thousand are for --json.
  if (classes.length <= 20) {
    classes.forEach(({ id, name }, label) => {
      lines.push(
        `    ${String(labelCounts.get(label) ?? 0).padStart(8)}  ${label}  ${id}${name === id ? '' : `  ${name}`}`,
      );
    });
  }
  return lines.join('\n');
}

function describeCounts(counts: LabelCounts): string {
  const values = [...counts.values()].sort((a, b) => a - b);
  if (values.length === 0) return 'none';
  return `${values.length} labels, ${values[0]} to ${values.at(-1) ?? 0} samples each, median ${values[values.length >> 1]}`;
}
