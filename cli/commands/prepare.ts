import type { Command } from 'commander';
import { z } from 'zod';
import { formatAmount, formatBytes, inThousands } from '../../lib/platform/progress.js';
import { prepareDataset, type PreparedSplit } from '../../workers/prepare.js';
import { STAGES, type Stage } from '../../workers/stage-times.js';
import { defineCommand } from '../command.js';
import { addPreparationFlags, preparationSchema, toPrepareSettings } from './preparation.js';

/** `millrace prepare <dataset>`: decode, resize and store a dataset's images as LMDB shards, with its mean. */
export function addPrepareCommand(program: Command): void {
  defineCommand(program, {
    usage: 'prepare <dataset>',
    summary: "turn a dataset's archives into LMDB shards in Caffe's format, with mean and manifest",
    examples: [
      'millrace prepare imagenette',
      'millrace prepare ilsvrc2012 --split val --no-shuffle',
      'millrace prepare ilsvrc2012 --size 128 --as ilsvrc2012-128 --workers 8',
      'millrace prepare ilsvrc2012 --resize area --fit cover --as ilsvrc2012-smooth',
      'millrace prepare flowers.yaml --update                           # pictures or lists have changed since',
      'millrace prepare ilsvrc2012 --record jpeg --as ilsvrc2012-jpeg   # 45 GB where raw takes 257',
    ],
    flags: (command) =>
      addPreparationFlags(command)
        .option(
          '--update',
          'where only archives, lists or files differ from those that a finished split was made from: make the shards that differ again',
        )
        .option('--wait', 'wait for another process that prepares the same, instead of failing'),
    schema: preparationSchema.extend({ update: z.boolean().default(false), wait: z.boolean().default(false) }),
    async action(options, context) {
      const settings = { ...(await toPrepareSettings(options, context)), mayUpdate: options.update };
      const splits = await prepareDataset(settings, options.wait);
      context.result(
        { dataset: settings.name, splits },
        splits.map((split) => describe(settings.name, split)).join('\n'),
      );
    },
  });
}

const STAGE_NAMES: Readonly<Record<Stage, string>> = { read: 'read', decode: 'decode and resize', write: 'write' };

function describe(dataset: string, split: PreparedSplit): string {
  const { numSamples, numRejected, rejectedReasons, numShards, bytes, imagesPerSecond, stageShares, boundBy } = split;
  const numKept = split.wasPrepared ? 0 : numShards - split.numShardsMade;
  const lines = [
    `${dataset}/${split.split}: ${split.wasPrepared ? 'already prepared' : 'prepared'} in ${split.folder}`,
    `  images    ${inThousands(numSamples + numRejected)} in, ${inThousands(numSamples)} stored, ${inThousands(numRejected)} rejected`,
    ...Object.entries(rejectedReasons).map(([reason, count]) => `            ${count} × ${reason}`),
    `  shards    ${numShards}, ${formatBytes(bytes)}${numKept > 0 ? `; ${numKept} were there` : ''}`,
  ];
  if (split.replaced !== undefined)
    lines.push(`  before    ${split.replaced}: for streams that are on it, until the next update`);
  if (imagesPerSecond !== undefined) lines.push(`  speed     ${formatAmount(imagesPerSecond, 'images')}/s`);
  if (stageShares !== undefined && boundBy !== undefined) {
    const shares = STAGES.map((stage) => `${STAGE_NAMES[stage]} ${(100 * stageShares[stage]).toFixed(0)} %`);
    lines.push(`  workers   ${shares.join(', ')} of their time: ${STAGE_NAMES[boundBy]} binds`);
  }
  return lines.join('\n');
}
