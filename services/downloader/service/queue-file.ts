/** The queue on disk, `<root>/downloads/queue.json`: what a service that was killed goes on with. */
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { codeOf, messageOf, MillraceError } from '../../../lib/core/errors.js';
import { writeFileAtomic } from '../../../lib/platform/atomic-file.js';
import { toDiskError } from '../../../lib/platform/system-error.js';
import { jobRecordSchema } from './job.js';

const queueSchema = z.strictObject({
  formatVersion: z.literal(1),
  /** Absent: no limit. */
  bytesPerSecond: z.int().positive().optional(),
  /** In the order in which they were added; one a file name. */
  jobs: z.array(jobRecordSchema),
});

export type QueueRecord = Omit<z.infer<typeof queueSchema>, 'formatVersion'>;

export function queuePath(root: string): string {
  return join(root, 'downloads', 'queue.json');
}

/** An empty queue when there is no file. Throws ERR_OPTIONS_DIFFER when it is not one that this version understands. */
export async function readQueueFile(path: string): Promise<QueueRecord> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { jobs: [] };
    throw error;
  }
  try {
    const { bytesPerSecond, jobs } = queueSchema.parse(JSON.parse(text));
    return { bytesPerSecond, jobs };
  } catch (error) {
    // Not begun anew by itself: the file is all that is known of what was asked for.
    throw new MillraceError(
      'ERR_OPTIONS_DIFFER',
      `${path} is not a queue that this version of Millrace understands; move it away to begin with an empty one: ${messageOf(error)}`,
      { cause: error, context: { path } },
    );
  }
}

/** Makes the folder of the file, for this user alone: the URLs in it may hold keys. Throws ERR_DISK naming the path. */
export async function makeQueueFolder(path: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw toDiskError(error, path);
  }
}

/** Replaces the file in one step. Throws ERR_DISK naming the path. */
export async function writeQueueFile(path: string, queue: QueueRecord): Promise<void> {
  await writeFileAtomic(path, JSON.stringify({ formatVersion: 1, ...queue }));
}
