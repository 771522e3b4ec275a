import type { Command } from 'commander';
import { UsageError } from '../../lib/core/errors.js';
import { convertShare } from '../../workers/prepare.js';
import { defineCommand, integerFlag } from '../command.js';
import { addPreparationFlags, preparationSchema, toPrepareSettings } from './preparation.js';

/** `millrace worker <dataset>`: one machine's share of a dataset's shards, on a root that several machines see. */
export function addWorkerCommand(program: Command): void {
  defineCommand(program, {
    usage: 'worker <dataset>',
    summary: 'convert the shards that fall to one of several machines; "prepare" with the same flags then finishes',
    examples: [
      'millrace worker ilsvrc2012 --worker-index 0 --worker-count 2   # on one machine',
      'millrace worker ilsvrc2012 --worker-index 1 --worker-count 2   # on the other',
      'millrace prepare ilsvrc2012                                    # when both are done',
    ],
    flags: (command) =>
      addPreparationFlags(command)
        .requiredOption('--worker-index <i>', 'which share, from 0')
        .requiredOption('--worker-count <n>', 'how many shares'),
    schema: preparationSchema.extend({ workerIndex: integerFlag(0, 99_999), workerCount: integerFlag(1, 100_000) }),
    async action(options, context) {
      const { workerIndex, workerCount } = options;
      if (workerIndex >= workerCount) {
        throw new UsageError(
          '--worker-index',
          `--worker-index: expected less than --worker-count (${workerCount}), got ${workerIndex}`,
        );
      }
      const settings = await toPrepareSettings(options, context);
      const numConverted = await convertShare(settings, { workerIndex, workerCount });
      context.result(
        { dataset: settings.name, workerIndex, workerCount, numConverted },
        `${settings.name}: share ${workerIndex} of ${workerCount} is done, ${numConverted} images converted; run "millrace prepare" with the same flags when all are`,
      );
    },
  });
}
