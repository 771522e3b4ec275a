import type { Command } from 'commander';
import { z } from 'zod';
import { MillraceError } from '../../lib/core/errors.js';
import { formatCount } from '../../lib/platform/progress.js';
import { verifySplit, type VerifyResult } from '../../workers/verify-split.js';
import { defineCommand } from '../command.js';
import { findPreparedDataset } from './prepared-dataset.js';

/** `millrace verify <dataset>`: read every byte of a prepared dataset and its archives, and compare digests. */
export function addVerifyCommand(program: Command): void {
  defineCommand(program, {
    usage: 'verify <dataset>',
    summary: 'check a prepared dataset against its manifest, and the archives it came from against their MD5',
    examples: ['millrace verify imagenette', 'millrace verify ilsvrc2012 --split val --decode 5%'],
    flags: (command) =>
      command
        .option('--split <name>', 'one split, or "all"', 'all')
        .option('--decode <share>', 'decode so many of the records, such as 1%', '0%'),
    schema: z.object({
      dataset: z.string(),
      split: z.string(),
      decode: z
        .string()
        .regex(/^\d+(\.\d+)?%$/, 'expected a share such as 1%')
        .transform((text) => Number(text.slice(0, -1)) / 100)
        .pipe(z.number().max(1, 'expected at most 100%')),
    }),
    async action(options, { root, reporter, signal, result }) {
      const dataset = await findPreparedDataset(root, options.dataset, options.split);
      const splits: (VerifyResult & { readonly split: string })[] = [];
      for (const { name, folder } of dataset.splits) {
        splits.push({
          split: name,
          ...(await verifySplit(folder, { root, decodeShare: options.decode, reporter, signal })),
        });
      }
      const problems = [...new Set(splits.flatMap((split) => split.problems))];
      if (problems.length > 0) {
        throw new MillraceError(
          'ERR_VERIFICATION',
          `${dataset.name} is not what it was made as:\n${problems.map((line) => `  ${line}`).join('\n')}\n` +
            'remove what is damaged, then run "millrace download" and "millrace prepare" again',
          { context: { problems: problems.length } },
        );
      }
      const lines = splits.map(
        ({ split, numSamples, numShards, numArchives, numDecoded }) =>
          `${dataset.name}/${split}: ${formatCount(numSamples, 'sample')} in ${formatCount(numShards, 'shard')}` +
          `${numArchives > 0 ? ` and ${formatCount(numArchives, 'archive file')}` : ''} are as they were made` +
          (numDecoded > 0 ? `; ${formatCount(numDecoded, 'sample')} decoded` : ''),
      );
      result({ dataset: dataset.name, splits }, lines.join('\n'));
    },
  });
}
