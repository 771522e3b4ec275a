/**
 * The queue: jobs by priority, some at a time, each change on disk before it is answered for. What runs follows from what the
 * jobs say, so that nothing has to be put in step after a restart.
 */
import PQueue from 'p-queue';
import type { Archive } from '../../../lib/catalog/dataset-schema.js';
import { MillraceError } from '../../../lib/core/errors.js';
import { DIGEST_NAMES, recallDigest } from '../../../lib/platform/known-digest.js';
import { acquireLock, type Lock } from '../../../lib/platform/lock-file.js';
import type { Logger } from '../../../lib/platform/logger.js';
import { archivePath } from '../../../lib/platform/root-layout.js';
import { urlCredentials } from '../credentials.js';
import type { ArchiveContext } from '../download-archive.js';
import type { DownloadOptions } from '../download-dataset.js';
import { createHttpClient } from '../http-client.js';
import { createRateLimit, type RateLimit } from '../rate-limit.js';
import { createSpaceLedger } from '../space-ledger.js';
import { DEFAULT_TRANSFER_OPTIONS } from '../transfer-options.js';
import { Job, type JobStatus } from './job.js';
import { makeQueueFolder, queuePath, readQueueFile, writeQueueFile, type QueueRecord } from './queue-file.js';
import { runJob, type QueueUpdate } from './run-job.js';

export interface DownloadQueueOptions extends Pick<DownloadOptions, 'credentials' | 'proxy' | 'transfer'> {
  /** Folder with `archives/` and `downloads/`. */
  readonly root: string;
  /** Archives fetched at a time. */
  readonly concurrency: number;
  /** Archives fetched at a time from one host. */
  readonly perHost: number;
}

export class DownloadQueue {
  readonly #options: DownloadQueueOptions;
  readonly #log: Logger;
  readonly #lock: Lock;
  /** In the order in which they were added. */
  readonly #jobs: Map<string, Job>;
  readonly #slots: PQueue;
  /** What all transfers share. */
  readonly #transfers: Pick<ArchiveContext, 'transfer' | 'dispatcher' | 'credentials' | 'space'> & {
    readonly rateLimit: RateLimit;
  };
  readonly #listeners = new Set<(update: QueueUpdate) => void>();
  #bytesPerSecond: number | undefined;
  #saved: Promise<void> = Promise.resolve();
  #isClosing = false;

  private constructor(options: DownloadQueueOptions, log: Logger, lock: Lock, queue: QueueRecord) {
    this.#options = options;
    this.#log = log;
    this.#lock = lock;
    this.#jobs = new Map(queue.jobs.map((record) => [record.archive.file, new Job(record)]));
    this.#slots = new PQueue({ concurrency: options.concurrency });
    this.#bytesPerSecond = queue.bytesPerSecond;
    const { credentials = urlCredentials, proxy = {} } = options;
    const transfer = { ...DEFAULT_TRANSFER_OPTIONS, ...options.transfer };
    this.#transfers = {
      transfer,
      credentials,
      dispatcher: createHttpClient(transfer.connectTimeoutMs, proxy),
      space: createSpaceLedger(),
      rateLimit: createRateLimit(queue.bytesPerSecond),
    };
  }

  /**
   * Opens the queue of a root and goes on with it. Throws ERR_LOCKED when another service has it, ERR_OPTIONS_DIFFER when its
   * file cannot be understood, ERR_DISK.
   */
  static async open(options: DownloadQueueOptions, log: Logger): Promise<DownloadQueue> {
    const path = queuePath(options.root);
    await makeQueueFolder(path);
    const lock = await acquireLock(`${path}.lock`);
    try {
      const queue = new DownloadQueue(options, log, lock, await readQueueFile(path));
      for (let slot = 0; slot < options.concurrency; slot++) queue.#fillSlot();
      return queue;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Undefined: no limit. */
  get bytesPerSecond(): number | undefined {
    return this.#bytesPerSecond;
  }

  /** In the order in which they were added. */
  list(): readonly Job[] {
    return [...this.#jobs.values()];
  }

  /** Throws ERR_NOT_FOUND naming the first that there is not. */
  named(files: readonly string[]): Job[] {
    return files.map((file) => {
      const job = this.#jobs.get(file);
      if (job !== undefined) return job;
      throw new MillraceError('ERR_NOT_FOUND', `files: no job "${file}"; List has those that there are`);
    });
  }

  /** Calls `listener` at every change from now on, until the function that this returns is called. It must not throw. */
  subscribe(listener: (update: QueueUpdate) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Queues archives, each once. Throws ERR_OPTIONS_DIFFER, and adds none of them, when one is there or on its way with another
   * digest.
   */
  async add(archives: readonly Archive[], priority: number): Promise<Job[]> {
    const inPlace = await this.#filesInPlace(archives);
    for (const archive of archives) this.#requireSameDigest(archive, inPlace);
    const jobs = archives.map((archive) => this.#addOne(archive, priority, inPlace));
    await this.#save();
    jobs.forEach(() => this.#fillSlot());
    return jobs;
  }

  /** Of all that are queued when `files` is empty. Resolves when their transfers have stopped. Throws ERR_NOT_FOUND. */
  async pause(files: readonly string[]): Promise<Job[]> {
    const jobs = files.length === 0 ? this.#inState('queued') : this.named(files);
    return this.#decide(jobs, ['queued'], { state: 'paused' });
  }

  /** Of all that are paused when `files` is empty. Throws ERR_NOT_FOUND. */
  async resume(files: readonly string[]): Promise<Job[]> {
    const jobs = files.length === 0 ? this.#inState('paused') : this.named(files);
    return this.#decide(jobs, ['paused', 'failed', 'cancelled'], { state: 'queued' });
  }

  /** Resolves when their transfers have stopped. Throws ERR_NOT_FOUND. */
  async cancel(files: readonly string[]): Promise<Job[]> {
    return this.#decide(this.named(files), ['queued', 'paused', 'failed'], { state: 'cancelled' });
  }

  /** Undefined lifts the limit. */
  async setRate(bytesPerSecond: number | undefined): Promise<void> {
    this.#bytesPerSecond = bytesPerSecond;
    this.#transfers.rateLimit.setBytesPerSecond(bytesPerSecond);
    await this.#save();
  }

  /** Stops the transfers, with what has come flushed; the queue is kept, and goes on when it is opened again. */
  async close(): Promise<void> {
    this.#isClosing = true;
    for (const job of this.#jobs.values()) job.run?.stop.abort();
    await this.#slots.onIdle();
    await this.#transfers.dispatcher.destroy();
    // What the transfers got to, for List after the next start.
    await this.#save().finally(() => this.#lock.release());
  }

  #inState(state: JobStatus['state']): Job[] {
    return this.list().filter((job) => job.status.state === state);
  }

  /** Those of `archives` that are done and still lie where they were put. */
  async #filesInPlace(archives: readonly Archive[]): Promise<ReadonlySet<string>> {
    const files = new Set<string>();
    for (const { file } of archives) {
      const status = this.#jobs.get(file)?.status;
      if (status?.state !== 'done') continue;
      const found = await recallDigest(archivePath(this.#options.root, file));
      if (found?.md5 === status.result.md5) files.add(file);
    }
    return files;
  }

  #requireSameDigest(archive: Archive, inPlace: ReadonlySet<string>): void {
    const { file } = archive;
    const job = this.#jobs.get(file);
    if (job === undefined || (job.hasEnded && !inPlace.has(file))) return;
    for (const name of DIGEST_NAMES) {
      const [asked, known] = [archive[name], job.archive[name]];
      if (asked === undefined || known === undefined || asked === known) continue;
      throw new MillraceError(
        'ERR_OPTIONS_DIFFER',
        `${file}: ${name} ${asked} is asked for, and it is ${job.state} with ${name} ${known}; ` +
          (job.hasEnded ? 'remove that file first' : 'cancel that job first'),
        { context: { file } },
      );
    }
  }

  #addOne(archive: Archive, priority: number, inPlace: ReadonlySet<string>): Job {
    const job = this.#jobs.get(archive.file);
    if (job === undefined) {
      const added = new Job({
        archive,
        priority,
        status: { state: 'queued' },
        bytesDone: 0,
        bytesTotal: archive.bytes,
      });
      this.#jobs.set(archive.file, added);
      this.#tell({ kind: 'state', job: added });
      return added;
    }
    // The latest word on sources counts from the next start on.
    job.archive = { ...job.archive, ...archive };
    job.priority = Math.max(job.priority, priority);
    if (job.hasEnded && !inPlace.has(job.file)) this.#setStatus(job, { state: 'queued' });
    return job;
  }

  /** Gives those of `jobs` that are in one of the states `from` another status, and makes what runs follow. */
  async #decide(jobs: Job[], from: readonly JobStatus['state'][], status: JobStatus): Promise<Job[]> {
    for (const job of jobs) if (from.includes(job.status.state)) this.#setStatus(job, status);
    await this.#save();
    for (const job of jobs) {
      if (job.status.state === 'queued') this.#fillSlot();
      else job.run?.stop.abort();
    }
    // One that was queued again meanwhile runs on, and is not waited for.
    const stopping = jobs.filter(({ status: { state } }) => state !== 'queued');
    await Promise.all(stopping.flatMap(({ run }) => run?.ended ?? []));
    return jobs;
  }

  #setStatus(job: Job, status: JobStatus): void {
    job.status = status;
    this.#tell({ kind: 'state', job });
  }

  #tell(update: QueueUpdate): void {
    for (const listener of this.#listeners) listener(update);
  }

  /** Resolves when the jobs as they are now are on disk. Throws ERR_DISK. */
  #save(): Promise<void> {
    const write = (): Promise<void> =>
      writeQueueFile(queuePath(this.#options.root), {
        bytesPerSecond: this.#bytesPerSecond,
        jobs: this.list().map((job) => job.record()),
      });
    this.#saved = this.#saved.then(write, write);
    return this.#saved;
  }

  /**
   * Gives a free slot, or the next that becomes free, to the job whose turn it then is. One that waits is enough: each run asks
   * again when it ends.
   */
  #fillSlot(): void {
    if (this.#slots.size === 0) void this.#slots.add(() => this.#runNext());
  }

  async #runNext(): Promise<void> {
    const job = this.#isClosing ? undefined : this.#next();
    if (job === undefined) return;
    const stop = new AbortController();
    job.run = { stop, ended: this.#run(job, stop.signal) };
    this.#tell({ kind: 'state', job });
    await job.run.ended;
    this.#fillSlot();
  }

  async #run(job: Job, signal: AbortSignal): Promise<void> {
    const outcome = await runJob(job, {
      ...this.#transfers,
      ...{ root: this.#options.root, log: this.#log, signal },
      tell: (update) => this.#tell(update),
    });
    job.run = undefined;
    // Of a transfer that was stopped, whoever stopped it has said what it is now.
    if (outcome === undefined) return;
    this.#setStatus(job, outcome);
    await this.#save().catch((error: unknown) => {
      // The file then still says queued, and the next start finds the archive in its place.
      this.#log.error({ err: error, file: job.file }, 'cannot write the queue');
    });
  }

  /** The job with the highest priority, the first added among equals, whose host has a transfer to spare. */
  #next(): Job | undefined {
    const numRunning = new Map<string, number>();
    for (const { run, host } of this.#jobs.values()) {
      if (run !== undefined) numRunning.set(host, (numRunning.get(host) ?? 0) + 1);
    }
    return this.list()
      .filter(({ status, run }) => status.state === 'queued' && run === undefined)
      .filter(({ host }) => (numRunning.get(host) ?? 0) < this.#options.perHost)
      .toSorted((a, b) => b.priority - a.priority)
      .at(0);
  }
}
