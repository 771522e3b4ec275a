/** The flags that `prepare` and `worker` share: both must plan the same shards. */
import type { Command } from 'commander';
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { UsageError } from '../../lib/core/errors.js';
import { findDataset } from '../../lib/catalog/catalog.js';
import { defaultSplits } from '../../lib/catalog/dataset-schema.js';
import { DEFAULT_QUALITY } from '../../lib/pixels/jpeg-encoder.js';
import type { PrepareOptions } from '../../lib/shards/manifest.js';
import type { PlanOptions } from '../../workers/plan.js';
import type { PrepareSettings } from '../../workers/prepare.js';
import { DEFAULT_REJECT_LIMIT, type RejectLimit } from '../../workers/reject-limit.js';
import { integerFlag, numberFlag, type CommandContext } from '../command.js';

/** Enough for the slowest image and for flushing a shard of 1 GB to a slow disk. */
const DEFAULT_WORKER_TIMEOUT_SECONDS = 120;

export function addPreparationFlags(command: Command): Command {
  return command
    .option('--split <name>', 'one split, or "all"', 'all')
    .option('--size <pixels>', "side of the stored square image (default: the dataset's, usually 256)")
    .option(
      '--resize <way>',
      "caffe: OpenCV's pixels, bit for bit; area: smoothed, the better-looking one; none: as they are",
      'caffe',
    )
    .option(
      '--fit <way>',
      'exact: the whole image, squeezed to a square; cover: its largest square, from the centre; short-side: the whole image, in its shape',
      'exact',
    )
    .option(
      '--record <form>',
      'raw: pixels; jpeg: resized, then encoded; original: the files themselves; mixed:<share>: that share raw, the rest jpeg',
      'raw',
    )
    .option(
      '--decode-scale',
      'with --resize area: decode large JPEGs at a half, a quarter or an eighth, which is faster',
    )
    .option(
      '--exif <way>',
      'rotate: turn images as their EXIF says, as OpenCV does; ignore: leave them as they lie',
      'rotate',
    )
    .option('--truncated <way>', 'JPEGs that are cut short: keep (the rest is grey, as Caffe has it) or reject', 'keep')
    .option('--quality <n>', `of jpeg records, 1 to 100 (default: ${DEFAULT_QUALITY}, as Caffe)`)
    .option('--shard-samples <n>', 'records a shard (default: about 1 GB of them, fewer in small splits)')
    .option('--no-shuffle', 'keep the order of the list')
    .option('--shuffle-seed <n>', 'seed of the order of the records', '0')
    .option('--workers <n>', 'worker processes, or "auto": one a core', 'auto')
    .option(
      '--worker-timeout <seconds>',
      'a worker that says nothing for so long is replaced',
      String(DEFAULT_WORKER_TIMEOUT_SECONDS),
    )
    .option(
      '--max-rejected <n>',
      'images that may be left out: a count, or a share such as 0.5% (default: 0.1%, or 10)',
    )
    .option('--as <name>', 'store under another dataset name');
}

const recordFlag = z
  .string()
  .regex(
    /^(raw|jpeg|original|mixed:(0?\.\d+|[01]|\d\d?(\.\d+)?%))$/,
    'expected raw, jpeg, original, or mixed:<share>, e.g. mixed:25%',
  )
  .transform(toRecordForm);

export const preparationSchema = z.object({
  dataset: z.string(),
  split: z.string(),
  size: integerFlag(1, 8192).optional(),
  resize: z.enum(['caffe', 'area', 'none'], { error: 'expected caffe, area or none' }),
  fit: z.enum(['exact', 'cover', 'short-side'], { error: 'expected exact, cover or short-side' }),
  decodeScale: z.literal(true).optional(),
  exif: z.enum(['rotate', 'ignore'], { error: 'expected rotate or ignore' }),
  truncated: z.enum(['keep', 'reject'], { error: 'expected keep or reject' }),
  record: recordFlag,
  quality: integerFlag(1, 100).optional(),
  shardSamples: integerFlag(1, 10_000_000).optional(),
  shuffle: z.boolean(),
  shuffleSeed: integerFlag(0),
  workers: z.union([z.literal('auto'), integerFlag(1, 1024)], {
    error: 'expected "auto" or a whole number of [1, 1024]',
  }),
  workerTimeout: numberFlag(0.001, 86_400),
  maxRejected: z
    .string()
    .regex(/^(\d+|\d+(\.\d+)?%)$/, 'expected a count or a share such as 0.5%')
    .transform(toRejectLimit)
    .default(DEFAULT_REJECT_LIMIT),
  as: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'expected letters, digits, ".", "_" or "-"')
    .optional(),
});

/** Throws UsageError when there is no such dataset or split, or flags do not go together. */
export async function toPrepareSettings(
  options: z.output<typeof preparationSchema>,
  { root, reporter, signal }: CommandContext,
): Promise<PrepareSettings> {
  const dataset = await findDataset(options.dataset);
  return {
    root,
    dataset,
    name: options.as ?? dataset.name,
    splits: options.split === 'all' ? defaultSplits(dataset) : chooseSplits(Object.keys(dataset.splits), options.split),
    plan: {
      ...sampleOptionsOf(options, dataset.prepare.size),
      ...recordFormOf(options),
      // What is usual is not said: splits of old are of these options too.
      ...(options.exif === 'ignore' && { exif: options.exif }),
      ...(options.truncated === 'reject' && { truncated: options.truncated }),
      shuffleSeed: options.shuffle ? options.shuffleSeed : null,
      shardSamples: options.shardSamples,
    },
    mayUpdate: false,
    numWorkers: options.workers === 'auto' ? availableParallelism() : options.workers,
    workerTimeoutMs: options.workerTimeout * 1000,
    maxRejected: options.maxRejected,
    reporter,
    signal,
  };
}

/** The split that is meant, or all. Throws UsageError when there is no such one. */
export function chooseSplits(known: readonly string[], asked: string): readonly string[] {
  if (asked === 'all') return known;
  if (known.includes(asked)) return [asked];
  throw new UsageError('--split', `--split: expected all, ${known.join(', ')}, got "${asked}"`);
}

function toRejectLimit(text: string): RejectLimit {
  return text.endsWith('%')
    ? { share: Number(text.slice(0, -1)) / 100, atLeast: 0 }
    : { share: 0, atLeast: Number(text) };
}

type Flags = z.output<typeof preparationSchema>;

function sampleOptionsOf(
  { resize, fit, size, decodeScale, record: { record } }: Flags,
  defaultSize: number,
): Pick<PlanOptions, 'size' | 'resize' | 'fit' | 'decodeScale'> {
  if (resize === 'none' && size !== undefined) {
    throw new UsageError('--size', '--size: nothing is resized with --resize none; leave it out');
  }
  if (resize === 'none' && fit !== 'exact') {
    throw new UsageError('--fit', '--fit: nothing is fitted with --resize none; leave it out');
  }
  if (decodeScale === true && resize !== 'area') {
    throw new UsageError('--decode-scale', `--decode-scale: goes with --resize area only, not with ${resize}`);
  }
  if ((resize === 'none' || fit === 'short-side') && record !== 'original' && record !== 'jpeg') {
    const way = resize === 'none' ? '--resize none' : '--fit short-side';
    throw new UsageError(
      '--record',
      `--record: with ${way} images differ in shape; expected jpeg or original, got ${record}`,
    );
  }
  return {
    ...(resize !== 'none' && { size: size ?? defaultSize }),
    resize,
    fit,
    ...(decodeScale === true && { decodeScale }),
  };
}

interface RecordForm {
  readonly record: PrepareOptions['record'];
  readonly rawShare?: number;
}

function toRecordForm(text: string): RecordForm {
  if (!text.startsWith('mixed:')) return { record: text as PrepareOptions['record'] };
  const share = text.slice('mixed:'.length);
  return { record: 'mixed', rawShare: share.endsWith('%') ? Number(share.slice(0, -1)) / 100 : Number(share) };
}

function recordFormOf({ record, quality }: Flags): RecordForm & { readonly quality?: number } {
  if (record.record === 'jpeg' || record.record === 'mixed') return { ...record, quality: quality ?? DEFAULT_QUALITY };
  if (quality === undefined) return record;
  throw new UsageError('--quality', `--quality: nothing is encoded with --record ${record.record}; leave it out`);
}
