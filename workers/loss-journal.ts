/**
 * The workers that were lost on one task, and what follows from it. A decoder that crashes or hangs does so again: after the
 * first loss the task is tried carefully, so that the record is known, and a record that loses two careful workers in a row is
 * left out. One alone proves nothing: it may have been killed by whoever looks after the machine.
 */
import { MillraceError } from '../lib/core/errors.js';
import type { Attempt, ConvertTask } from './task.js';
import type { WorkerLost } from './worker-process.js';

/** In a row, without a record found to be the cause. */
const MAX_LOSSES = 4;

export class LossJournal {
  private readonly leftOut = new Map<number, string>();
  private numLosses = 0;
  private isCareful = false;
  /** The record at which the last careful worker was lost. */
  private suspect: number | undefined;

  constructor(private readonly task: ConvertTask) {}

  nextAttempt(): Attempt {
    return { isCareful: this.isCareful, leftOut: this.leftOut };
  }

  /** Takes note of the loss of {@link nextAttempt}'s worker and says what comes of it. Throws ERR_WORKER_LOST when it was one too many. */
  add({ message, position }: WorkerLost): string {
    const { folder, keys } = this.task;
    const key = keys[Math.min(position ?? 0, keys.length - 1)];
    const what = `a worker making ${folder} ${message} at ${this.isCareful ? '' : 'or just after '}image ${key}`;
    const isKnown = this.isCareful && position !== undefined && position < keys.length;
    const isCause = isKnown && position === this.suspect;
    this.suspect = isKnown && !isCause ? position : undefined;
    this.isCareful = true;
    this.numLosses = isCause ? 0 : this.numLosses + 1;
    if (isCause) {
      this.leftOut.set(position, `lost two workers, of which the second ${message}`);
      return `${what}, as did the one before it; the image is left out`;
    }
    if (this.numLosses < MAX_LOSSES) return `${what}; the shard is begun again`;
    throw new MillraceError(
      'ERR_WORKER_LOST',
      `${what}, as ${MAX_LOSSES - 1} before it, not all at the same one; raise --worker-timeout if the machine is slow, and look ` +
        'whether it is out of memory',
      { context: { path: folder, key } },
    );
  }
}
