/** The main job, each part a process of its own, as it would be across machines: archives, shards, batches, training. */
import { join } from 'node:path';
import { z } from 'zod';
import type { Dataset } from '../../lib/catalog/dataset-schema.js';
import { runCommand, startCommand, type ChildOptions } from './child-command.js';

const downloadResultSchema = z.object({
  archives: z.array(
    z.object({
      file: z.string(),
      bytes: z.number(),
      bytesFetched: z.number(),
      resumedAt: z.array(z.number()),
      md5: z.string(),
      isVerified: z.boolean(),
      seconds: z.number(),
    }),
  ),
});

const prepareResultSchema = z.object({
  splits: z.array(
    z.object({
      split: z.string(),
      wasPrepared: z.boolean(),
      numSamples: z.number(),
      numRejected: z.number(),
      rejectedReasons: z.record(z.string(), z.number()),
      numShards: z.number(),
      bytes: z.number(),
      imagesPerSecond: z.number().optional(),
    }),
  ),
});

const trainResultSchema = z.object({
  backend: z.string(),
  device: z.string(),
  batchSize: z.number(),
  steps: z.number(),
  firstLoss: z.number().optional(),
  lastLoss: z.number().optional(),
  accuracy: z.object({ numSamples: z.number(), top1: z.number(), top5: z.number() }),
  imagesPerSecond: z.number(),
  waitShare: z.number(),
  checkpoint: z.string(),
});

export interface MainJobResult {
  readonly download: z.output<typeof downloadResultSchema>;
  readonly prepare: z.output<typeof prepareResultSchema>;
  readonly train: z.output<typeof trainResultSchema>;
}

/** The demo datasets: made or found on this machine, and served to the downloader over loopback. */
export const SERVED_HERE = ['sample', 'ilsvrc2012-sample'];

/** Share of the largest archive after which the demo's first transfer is cut. */
const CUT_AT = '0.5';

/**
 * Runs the whole way for one dataset. What an earlier, interrupted run left is taken up.
 * Throws what the stages report; InterruptedError when the signal is aborted.
 *
 * @param nameOrFile what the user called the dataset: a name of the catalog or a file of their own
 * @param trainArgs further flags of the training run
 */
export async function runMainJob(
  dataset: Dataset,
  nameOrFile: string,
  trainArgs: readonly string[],
  options: ChildOptions,
): Promise<MainJobResult> {
  const { reporter, root } = options;
  const isServedHere = SERVED_HERE.includes(dataset.name);
  let source = nameOrFile;

  const fetchFrom = (baseUrl: string[], within: ChildOptions): Promise<MainJobResult['download']> => {
    reporter.event('stage', 'Download: resumable, MD5 along with the bytes', { stage: 'download' });
    return runCommand(['download', source, ...baseUrl], downloadResultSchema, within);
  };
  let download: MainJobResult['download'];
  if (isServedHere) {
    reporter.event('stage', 'Archives: served over loopback; the first transfer will be cut half way', {
      stage: 'archives',
    });
    const server = await startCommand(['archive-server', dataset.name, '--cut-first-transfer', CUT_AT], options);
    // The sample's digests are known only once it is drawn; they stand in the dataset file beside it.
    if (dataset.name === 'sample') source = join(root, 'sample-archives', 'dataset.json');
    download = await server.during((within) => fetchFrom(['--base-url', String(server.listening['url'])], within));
  } else {
    download = await fetchFrom([], options);
  }

  reporter.event('stage', 'Prepare: decode, resize, LMDB shards, mean', { stage: 'prepare' });
  const prepare = await runCommand(['prepare', source], prepareResultSchema, options);

  reporter.event('stage', 'Serve and train: batches over gRPC to a trainer in a process of its own', {
    stage: 'train',
  });
  const server = await startCommand(['serve', '--port', '0'], options);
  const train = await server.during((within) =>
    runCommand(
      ['train', source, '--server', String(server.listening['address']), ...trainArgs],
      trainResultSchema,
      within,
    ),
  );
  return { download, prepare, train };
}
