/** `prepare`: from archives to finished splits. Killed at any moment and run again, it ends in the same bytes. */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset } from '../lib/catalog/dataset-schema.js';
import { sweepTemporaries } from '../lib/platform/atomic-file.js';
import { findTurbojpeg, NO_TURBOJPEG } from '../lib/pixels/turbojpeg.js';
import { readEnvironment } from '../lib/platform/environment.js';
import { acquireLock } from '../lib/platform/lock-file.js';
import type { Reporter } from '../lib/platform/progress.js';
import { nextVersionFolder, prepareLockPath, REJECTED_FILE, splitFolder } from '../lib/platform/root-layout.js';
import { readManifest, type AnyManifest } from '../lib/shards/manifest.js';
import { readShardRecord, rejectedSchema } from '../lib/shards/shard-record.js';
import { convertSplit, type ConvertSplitResult } from './convert-split.js';
import { DatasetFiles } from './dataset-files.js';
import { isUpToDate } from './existing-split.js';
import { finishSplit } from './finish-split.js';
import { planSplit, type PlanOptions, type SplitPlan } from './plan.js';
import type { RejectLimit } from './reject-limit.js';
import { openSplitSource } from './split-source.js';
import { bindingStage, stageSharesOf, type Stage } from './stage-times.js';
import { finishSwap, swapSplit } from './swap-split.js';
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
  /** Whether a finished split that was made from other files is brought up to date; else it is refused. */
  readonly mayUpdate: boolean;
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
  /** Shards that were made in this run. */
  readonly numShardsMade: number;
  /** Folder of the version in whose place this run has put another one; undefined when it has not. */
  readonly replaced: string | undefined;
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
 * options or files), ERR_TOO_MANY_REJECTED, ERR_WORKER_LOST, ERR_LOCKED, ERR_DISK, InterruptedError.
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
        const { plan, existing } = await compare(settings, split, folder);
        if (existing !== undefined) continue;
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
  const lock = await acquireLock(prepareLockPath(folder), {
    wait,
    signal,
    onWait: (holder) => reporter.event('waiting', `${name}/${split}: waiting for ${holder}`, { split, holder }),
  });
  try {
    await finishSwap(folder);
    const next = nextVersionFolder(folder);
    const { plan, existing, isCurrent } = await compare(settings, split, folder);
    if (existing !== undefined && isCurrent) {
      // Of an update that was not carried through, and that nobody asks for any more.
      await rm(next, { recursive: true, force: true });
      return await describe(folder, existing);
    }
    if (existing !== undefined) await tellOfUnknownShards(folder, existing, reporter);
    const target = existing === undefined ? folder : next;
    await mkdir(target, { recursive: true });
    await sweepTemporaries(target);
    const converted = await convertSplit(plan, target, {
      ...conversionOf(settings, split, pool, () => true),
      earlier: existing && folder,
    });
    const manifest = await finishSplit({ dataset: name, split }, plan, target, converted.records);
    // The workers of a run that was killed just before this one may only be gone by now.
    await sweepTemporaries(target);
    const replaced = existing === undefined ? undefined : await swapSplit(folder);
    return await describe(folder, manifest, { converted, replaced });
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

interface Comparison {
  readonly plan: SplitPlan;
  /** Of the finished split that is there; undefined when there is none. */
  readonly existing: AnyManifest | undefined;
  /** Whether that is the plan's; else it is to be updated. */
  readonly isCurrent: boolean;
}

/** What is to be made, and what is there. Throws ERR_OPTIONS_DIFFER. */
async function compare(settings: PrepareSettings, split: string, folder: string): Promise<Comparison> {
  const { root, dataset, reporter, signal } = settings;
  const files = new DatasetFiles(root, dataset, reporter, signal);
  const existing = await readManifest(folder);
  // The default may be another one by the number of records that there are now; a split is cut as it was.
  const shardSamples = settings.plan.shardSamples ?? existing?.options.shardSamples;
  const plan = planSplit(await openSplitSource(files, dataset, split), { ...settings.plan, shardSamples });
  const isCurrent = existing !== undefined && isUpToDate(folder, existing, plan, settings.mayUpdate);
  return { plan, existing, isCurrent };
}

async function tellOfUnknownShards(folder: string, { shards }: AnyManifest, reporter: Reporter): Promise<void> {
  const records = await Promise.all(shards.map(({ path }) => readShardRecord(join(folder, path))));
  const numUnknown = records.filter((record) => record === undefined).length;
  if (numUnknown === 0) return;
  const which = numUnknown === shards.length ? 'none of its shards tells' : `${numUnknown} of its shards do not tell`;
  reporter.event(
    'update',
    `${folder}: ${which} what it was made of, as earlier versions of this program left them; they are made again`,
    {
      folder,
      numUnknown,
    },
  );
}

function conversionOf(
  { name, numWorkers, maxRejected, reporter, signal }: PrepareSettings,
  split: string,
  pool: WorkerPool,
  isOurs: (shard: number) => boolean,
) {
  return { pool, numWorkers, maxRejected, isOurs, stage: `prepare ${name}/${split}`, reporter, signal };
}

/** @param run what this run has done; undefined: nothing, the split was there */
async function describe(
  folder: string,
  manifest: AnyManifest,
  run?: { readonly converted: ConvertSplitResult; readonly replaced: string | undefined },
): Promise<PreparedSplit> {
  const converted = run?.converted;
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
    numShardsMade: converted?.times.length ?? 0,
    replaced: run?.replaced,
    bytes: manifest.shards.reduce((sum, shard) => sum + shard.bytes, 0),
    imagesPerSecond:
      converted === undefined || converted.numConverted === 0 ? undefined : converted.numConverted / converted.seconds,
    stageShares,
    boundBy: stageShares && bindingStage(stageShares),
  };
}
