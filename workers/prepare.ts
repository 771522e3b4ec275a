/** `prepare`: from archives to finished splits. Killed at any moment and run again, it ends in the same bytes. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset } from '../lib/catalog/dataset-schema.js';
import { sweepTemporaries } from '../lib/platform/atomic-file.js';
import { findTurbojpeg, NO_TURBOJPEG } from '../lib/pixels/turbojpeg.js';
import { readEnvironment } from '../lib/platform/environment.js';
import { acquireLock } from '../lib/platform/lock-file.js';
import type { Reporter } from '../lib/platform/progress.js';
import { REJECTED_FILE, splitFolder } from '../lib/platform/root-layout.js';
import { rejectedSchema } from '../lib/shards/shard-record.js';
import type { AnyManifest } from '../lib/shards/manifest.js';
import { convertSplit, type ConvertSplitResult } from './convert-split.js';
import { DatasetFiles } from './dataset-files.js';
import { findExistingSplit } from './existing-split.js';
import { finishSplit, removeConversionFiles } from './finish-split.js';
import { planSplit, type PlanOptions, type SplitPlan } from './plan.js';
import type { RejectLimit } from './reject-limit.js';
import { openSplitSource } from './split-source.js';
import { bindingStage, stageSharesOf, type Stage } from './stage-times.js';
import { createWorkerPool, type WorkerPool } from './worker-pool.js';

/** Everything is filled in: defaults are the command's. */
export interface PrepareSettings {
  readonly root: string;
  readonly dataset: Dataset;
  /** Name of the dataset's folder: its own, or another one (`--as`). */
  readonly name: string;
  /** Names of splits of the dataset. */
  readonly splits: readonly string[];
  readonly plan: PlanOptions;
  readonly numWorkers: number;
  /** Milliseconds without a word after which a worker is held to hang. */
  readonly workerTimeoutMs: number;
  readonly maxRejected: RejectLimit;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
}

export interface PreparedSplit {
  readonly split: string;
  readonly folder: string;
  /** Whether it was finished before this run. */
  readonly wasPrepared: boolean;
  readonly numSamples: number;
  readonly numRejected: number;
  /** Reason → count. */
  readonly rejectedReasons: Readonly<Record<string, number>>;
  readonly numShards: number;
  /** Of the shards' data files. */
  readonly bytes: number;
  /** Records converted in this run, a second of it; undefined when there was nothing to convert. */
  readonly imagesPerSecond: number | undefined;
  /** Each stage's share of the workers' time in this run, `[0, 1]`; undefined when there was nothing to convert. */
  readonly stageShares: Readonly<Record<Stage, number>> | undefined;
  /** The stage with the largest share. */
  readonly boundBy: Stage | undefined;
}

/**
 * Prepares splits, one after the other. With `wait`, a split that another process is at is waited for.
 * Throws ERR_NOT_FOUND, ERR_VERIFICATION, ERR_ARCHIVE_CORRUPT (the archives), ERR_OPTIONS_DIFFER (a finished split of other
 * options), ERR_TOO_MANY_REJECTED, ERR_WORKER_LOST, ERR_LOCKED, ERR_DISK, InterruptedError.
 */
export async function prepareDataset(settings: PrepareSettings, wait: boolean): Promise<PreparedSplit[]> {
  return withWorkers(settings, async (pool) => {
    const prepared: PreparedSplit[] = [];
    for (const split of settings.splits) prepared.push(await prepareSplit(settings, split, pool, wait));
    return prepared;
  });
}

/** One machine's share of the shards, `shard % workerCount === workerIndex`. */
export interface WorkerShare {
  readonly workerIndex: number;
  readonly workerCount: number;
}

/**
 * Converts this machine's share of the shards on a root that several machines see; `prepare` finds them and finishes.
 * Returns the number of records gone through. Throws what {@link prepareDataset} does.
 */
export async function convertShare(settings: PrepareSettings, share: WorkerShare): Promise<number> {
  const { workerIndex, workerCount } = share;
  return withWorkers(settings, async (pool) => {
    let numConverted = 0;
    for (const split of settings.splits) {
      const folder = splitFolder(settings.root, settings.name, split);
      const lock = await acquireLock(join(folder, `worker-${workerIndex}-of-${workerCount}.lock`));
      try {
        const plan = await planOf(settings, split);
        if ((await findExistingSplit(folder, plan)) !== undefined) continue;
        const isOurs = (shard: number): boolean => shard % workerCount === workerIndex;
        numConverted += (await convertSplit(plan, folder, conversionOf(settings, split, pool, isOurs))).numConverted;
      } finally {
        await lock.release();
      }
    }
    return numConverted;
  });
}

async function prepareSplit(
  settings: PrepareSettings,
  split: string,
  pool: WorkerPool,
  wait: boolean,
): Promise<PreparedSplit> {
  const { root, name, reporter, signal } = settings;
  const folder = splitFolder(root, name, split);
  const lock = await acquireLock(join(folder, 'prepare.lock'), {
    wait,
    signal,
    onWait: (holder) => reporter.event('waiting', `${name}/${split}: waiting for ${holder}`, { split, holder }),
  });
  try {
    await sweepTemporaries(folder);
    const plan = await planOf(settings, split);
    const existing = await findExistingSplit(folder, plan);
    if (existing !== undefined) {
      await removeConversionFiles(folder, existing);
      return await describe(folder, existing, undefined);
    }
    const converted = await convertSplit(
      plan,
      folder,
      conversionOf(settings, split, pool, () => true),
    );
    const manifest = await finishSplit(name, plan, folder, converted.records);
    // The workers of a run that was killed just before this one may only be gone by now.
    await sweepTemporaries(folder);
    await removeConversionFiles(folder, manifest);
    return await describe(folder, manifest, converted);
  } finally {
    await lock.release();
  }
}

async function withWorkers<T>(settings: PrepareSettings, use: (pool: WorkerPool) => Promise<T>): Promise<T> {
  const { turbojpeg, reason } = findTurbojpeg(readEnvironment().turbojpeg);
  const pool = createWorkerPool({
    turbojpeg: turbojpeg?.library ?? NO_TURBOJPEG,
    timeoutMs: settings.workerTimeoutMs,
    onLost: (message) => settings.reporter.event('worker-lost', message),
  });
  if (reason !== undefined) {
    settings.reporter.event('decoder', `libturbojpeg is not used, so decoding takes twice as long: ${reason}`, {
      reason,
    });
  }
  try {
    return await use(pool);
  } finally {
    await pool.close();
  }
}

async function planOf({ root, dataset, plan, reporter, signal }: PrepareSettings, split: string): Promise<SplitPlan> {
  const files = new DatasetFiles(root, dataset, reporter, signal);
  return planSplit(await openSplitSource(files, dataset, split), plan);
}

function conversionOf(
  { name, numWorkers, maxRejected, reporter, signal }: PrepareSettings,
  split: string,
  pool: WorkerPool,
  isOurs: (shard: number) => boolean,
) {
  return { pool, numWorkers, maxRejected, isOurs, stage: `prepare ${name}/${split}`, reporter, signal };
}

async function describe(
  folder: string,
  manifest: AnyManifest,
  converted: ConvertSplitResult | undefined,
): Promise<PreparedSplit> {
  const rejectedReasons: Record<string, number> = {};
  for (const line of (await readFile(join(folder, REJECTED_FILE), 'utf8')).split('\n').filter(Boolean)) {
    const { reason } = rejectedSchema.parse(JSON.parse(line));
    rejectedReasons[reason] = (rejectedReasons[reason] ?? 0) + 1;
  }
  const stageShares = stageSharesOf(converted?.times ?? []);
  return {
    split: manifest.split,
    folder,
    wasPrepared: converted === undefined,
    numSamples: manifest.numSamples,
    numRejected: manifest.numRejected,
    rejectedReasons,
    numShards: manifest.shards.length,
    bytes: manifest.shards.reduce((sum, shard) => sum + shard.bytes, 0),
    imagesPerSecond:
      converted === undefined || converted.numConverted === 0 ? undefined : converted.numConverted / converted.seconds,
    stageShares,
    boundBy: stageShares && bindingStage(stageShares),
  };
}
