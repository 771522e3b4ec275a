import type { Command } from 'commander';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { UsageError } from '../../lib/core/errors.js';
import { writeFileAtomic } from '../../lib/platform/atomic-file.js';
import { formatBytes, formatCount, inThousands } from '../../lib/platform/progress.js';
import type { AnyManifest } from '../../lib/shards/manifest.js';
import { drawShardSheet, drawSplitSheet, type ContactSheet } from '../../workers/contact-sheet.js';
import { inspectShard, inspectSplit, type LabelCounts, type SplitFacts } from '../../workers/inspect.js';
import { defineCommand, integerFlag } from '../command.js';
import { findPreparedDataset } from './prepared-dataset.js';

const schema = z.object({
  dataset: z.string(),
  split: z.string(),
  sheet: z.string().min(1, 'expected the name of a file').optional(),
  count: integerFlag(1, 2500),
  seed: integerFlag(0),
});

/** `millrace inspect <dataset>`: what is in a prepared dataset, or in one LMDB environment of Datums. */
export function addInspectCommand(program: Command): void {
  defineCommand(program, {
    usage: 'inspect <dataset>',
    summary: "show what a prepared dataset holds, or one shard (or Caffe's own LMDB), given by its folder",
    examples: [
      'millrace inspect imagenette --split train',
      'millrace inspect imagenette --split train --sheet samples.png --count 100',
      'millrace inspect .millrace/datasets/imagenette/val/shard-00000',
    ],
    flags: (command) =>
      command
        .option('--split <name>', 'one split, or "all"', 'all')
        .option('--sheet <file>', 'draw random samples of one split or shard into this PNG file')
        .option('--count <n>', 'samples to draw', '25')
        .option('--seed <n>', 'which samples: the same seed draws the same', '0'),
    schema,
    async action(options, { root, reporter, signal, result }) {
      if (existsSync(join(options.dataset, 'data.mdb'))) {
        const { labelCounts, ...facts } = await inspectShard(options.dataset);
        const sheet = await saveSheet(options, (toDraw) => drawShardSheet(options.dataset, toDraw));
        const { shape } = facts;
        const lines = [
          `${options.dataset}: ${formatCount(facts.numSamples, 'record')}`,
          `  keys      ${facts.firstKey ?? 'none'} … ${facts.lastKey ?? 'none'}`,
          `  form      ${shape === undefined ? 'image files' : `raw ${shape.channels}×${shape.height}×${shape.width}, planar`}`,
          `  labels    ${describeCounts(labelCounts)}`,
          ...describeSheet(sheet, []),
        ];
        result({ ...facts, labelCounts: Object.fromEntries(labelCounts), sheet }, lines.join('\n'));
        return;
      }
      const dataset = await findPreparedDataset(root, options.dataset, options.split);
      const [first, ...others] = dataset.splits;
      if (options.sheet !== undefined && others.length > 0) {
        const names = dataset.splits.map(({ name }) => name).join(', ');
        throw new UsageError('--split', `--split: expected one of ${names} to draw a sheet of, got "${options.split}"`);
      }
      const splits: SplitFacts[] = [];
      for (const { folder } of dataset.splits) splits.push(await inspectSplit(folder, reporter, signal));
      const sheet = await saveSheet(options, (toDraw) => drawSplitSheet(first.folder, toDraw));
      result(
        {
          dataset: dataset.name,
          splits: splits.map(({ manifest, labelCounts }) => ({
            ...manifest,
            labelCounts: Object.fromEntries(labelCounts),
          })),
          sheet,
        },
        [...splits.map(describeSplit), ...describeSheet(sheet, splits[0].manifest.classes)].join('\n'),
      );
    },
  });
}

type SavedSheet = Omit<ContactSheet, 'png'> & { readonly path: string };

/** Undefined when none is asked for. */
async function saveSheet(
  { sheet, count, seed }: z.output<typeof schema>,
  draw: (options: { readonly count: number; readonly seed: number }) => Promise<ContactSheet>,
): Promise<SavedSheet | undefined> {
  if (sheet === undefined) return undefined;
  const { png, ...drawn } = await draw({ count, seed });
  const path = resolve(sheet);
  await writeFileAtomic(path, png);
  return { path, ...drawn };
}

function describeSheet(sheet: SavedSheet | undefined, classes: AnyManifest['classes']): string[] {
  if (sheet === undefined) return [];
  const { path, columns, samples } = sheet;
  const lines = samples.map(({ key, label }, place) => {
    const at = `row ${Math.floor(place / columns) + 1}, ${(place % columns) + 1}`;
    const name = label in classes ? `  ${classes[label].name}` : '';
    return `    ${at.padEnd(12)}${label}${name}  (${key})`;
  });
  return [`  sheet     ${path}, rows of ${columns}:`, ...lines];
}

function describeSplit({ manifest, labelCounts }: SplitFacts): string {
  const { options, channelMean, channelStd, shards, classes } = manifest;
  const bytes = shards.reduce((sum, shard) => sum + shard.bytes, 0);
  const numbers = (values: readonly number[]): string => values.map((value) => value.toFixed(3)).join(', ');
  const lines = [
    `${manifest.dataset}/${manifest.split}: version ${manifest.version}`,
    `  samples   ${inThousands(manifest.numSamples)}, ${inThousands(manifest.numRejected)} rejected`,
    `  form      ${describeForm(options)}, ${describeShape(manifest)}`,
    `  order     ${options.shuffleSeed === null ? 'as listed' : `shuffled by seed ${options.shuffleSeed}`}`,
    `  shards    ${shards.length} of up to ${options.shardSamples} records, ${formatBytes(bytes)}`,
    `  mean      ${numbers(channelMean)}  (B, G, R)`,
    `  std       ${numbers(channelStd)}`,
    ...manifest.source.archives.map(({ file, bytes, md5 }) => `  from      ${file}, ${formatBytes(bytes)}, MD5 ${md5}`),
    `  classes   ${inThousands(classes.length)}; ${describeCounts(labelCounts)}`,
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

function describeShape({ shape, options }: AnyManifest): string {
  const { resize, fit, size = 0 } = options;
  const way = resize === 'none' ? 'not resized' : `${resize} resize, ${fit} fit`;
  if (shape !== null) return `served as ${shape.channels}×${shape.height}×${shape.width}: ${way}`;
  return `of many shapes: ${way}${resize === 'none' ? '' : ` of ${size}`}`;
}

function describeForm({ record, rawShare = 0, quality }: AnyManifest['options']): string {
  if (record === 'raw') return 'raw pixels, planar';
  if (record === 'original') return 'original files';
  const jpeg = `JPEG of quality ${quality ?? '?'}`;
  return record === 'jpeg' ? jpeg : `${+(100 * rawShare).toFixed(2)} % raw pixels, the rest ${jpeg}`;
}

function describeCounts(counts: LabelCounts): string {
  const values = [...counts.values()].sort((a, b) => a - b);
  if (values.length === 0) return 'none';
  const [least, median, most] = [values[0], values[values.length >> 1], values.at(-1) ?? 0];
  const each =
    least === most ? `${formatCount(most, 'sample')} each` : `${least} to ${most} samples each, median ${median}`;
  return `${formatCount(values.length, 'label')} in use, ${each}`;
}
