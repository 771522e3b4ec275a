/** One archive on its way, as the service knows it, and the form in which that is kept on disk. */
import { z } from 'zod';
import { datasetSchema, type Archive } from '../../../lib/catalog/dataset-schema.js';

/** What is known of an archive that is done: {@link ArchiveSummary} without the name. */
const resultSchema = z.strictObject({
  bytes: z.int().nonnegative(),
  bytesFetched: z.int().nonnegative(),
  resumedAt: z.array(z.int().nonnegative()),
  md5: z.string(),
  isVerified: z.boolean(),
  seconds: z.number(),
});

/** What was decided of a job. Whether a queued one is being fetched just now is not part of it: no file could keep that true. */
const statusSchema = z.discriminatedUnion('state', [
  z.strictObject({ state: z.literal('queued') }),
  z.strictObject({ state: z.literal('paused') }),
  z.strictObject({ state: z.literal('done'), result: resultSchema }),
  z.strictObject({ state: z.literal('failed'), code: z.string(), message: z.string() }),
  z.strictObject({ state: z.literal('cancelled') }),
]);

export const jobRecordSchema = z.strictObject({
  archive: datasetSchema.shape.archives.element,
  /** Higher goes first. */
  priority: z.int(),
  status: statusSchema,
  /** Bytes that were here when this was written; a transfer that runs knows better. */
  bytesDone: z.int().nonnegative(),
  bytesTotal: z.int().nonnegative().optional(),
});

export type JobResult = z.infer<typeof resultSchema>;
export type JobStatus = z.infer<typeof statusSchema>;
export type JobRecord = z.infer<typeof jobRecordSchema>;
export type JobState = JobStatus['state'] | 'active';

/** A transfer that runs. */
interface Run {
  readonly stop: AbortController;
  /** Resolves when nothing of it runs any more; never rejects. */
  readonly ended: Promise<void>;
}

/** A job in memory. The queue alone changes it; others read it, and see it change. */
export class Job {
  archive: Archive;
  priority: number;
  status: JobStatus;
  bytesDone: number;
  /** Undefined while nobody knows. */
  bytesTotal: number | undefined;
  /** What is going on when it is not a transfer, e.g. "checking images.tar". */
  detail: string | undefined;
  run: Run | undefined;

  constructor(record: JobRecord) {
    this.archive = record.archive;
    this.priority = record.priority;
    this.status = record.status;
    this.bytesDone = record.bytesDone;
    this.bytesTotal = record.bytesTotal;
  }

  get file(): string {
    return this.archive.file;
  }

  get state(): JobState {
    return this.run !== undefined && this.status.state === 'queued' ? 'active' : this.status.state;
  }

  /** Whether nothing more happens until somebody asks for it. A paused job has not ended. */
  get hasEnded(): boolean {
    return ['done', 'failed', 'cancelled'].includes(this.status.state);
  }

  /** Where its first source is, which is what a limit per host counts; empty when it has none. */
  get host(): string {
    const url = this.archive.urls.at(0);
    return url === undefined ? '' : new URL(url).host;
  }

  record(): JobRecord {
    const { archive, priority, status, bytesDone, bytesTotal } = this;
    return { archive, priority, status, bytesDone, bytesTotal };
  }
}
