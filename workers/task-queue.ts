/** Where shards wait for workers: in this process by default; a queue across machines has the same face. */
import PQueue from 'p-queue';

/** Tasks are small, serialisable and idempotent: one that was done twice has done no harm. */
export interface TaskQueue<Task, Result> {
  /** Resolves when the task is done, rejects with what it failed of. */
  submit(task: Task): Promise<Result>;
}

/** A queue within this process that runs at most `concurrency` tasks at a time, first come, first served. */
export function createLocalQueue<Task, Result>(
  concurrency: number,
  run: (task: Task) => Promise<Result>,
): TaskQueue<Task, Result> {
  const queue = new PQueue({ concurrency });
  return { submit: (task) => queue.add(() => run(task)) };
}
