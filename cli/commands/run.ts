import type { Command } from 'commander';
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { z } from 'zod';
import { findDataset } from '../../lib/catalog/catalog.js';
import { defineCommand, integerFlag } from '../command.js';
import { runMainJob } from '../run/main-job.js';
import { summarize } from '../run/summary.js';

/** `millrace run <dataset>`: download, prepare, serve and train, each part a process of its own. */
export function addRunCommand(program: Command): void {
  defineCommand(program, {
    usage: 'run <dataset>',
    summary: 'the whole way for one dataset: download, prepare, serve, and a training run from a process of its own',
    examples: [
      'millrace run sample               # ten classes of drawn images; nothing is fetched from outside',
      'millrace run ilsvrc2012-sample    # 500 real images, when MILLRACE_TEST_DATA holds them',
      'millrace run imagenette-160',
    ],
    flags: (command) => command.option('--steps <count>', "steps of the training run (default: the dataset's own)"),
    schema: z.object({ dataset: z.string(), steps: integerFlag(1).optional() }),
    async action({ dataset: nameOrFile, steps }, { root, environment, reporter, signal, result }) {
      const beganAtMs = performance.now();
      const dataset = await findDataset(nameOrFile);
      if (dataset.name === 'sample' && existsSync(join(environment.testData, 'README.md'))) {
        reporter.event(
          'hint',
          `Real archives are in ${relative('.', environment.testData)}: "make run DATASET=ilsvrc2012-sample" takes those the same way.`,
        );
      }
      const trainArgs = steps === undefined ? [] : ['--steps', String(steps)];
      const outcome = await runMainJob(dataset, nameOrFile, trainArgs, { root, reporter, signal });
      const totalSeconds = (performance.now() - beganAtMs) / 1000;
      result({ ...outcome, totalSeconds }, summarize(outcome, relative('.', root) || '.', totalSeconds));
    },
  });
}
