/** The assembly threads: who has room for a job, and what becomes of the jobs of one that dies. */
import { Worker } from 'node:worker_threads';
import { MillraceError } from '../../../lib/core/errors.js';
import type { Logger } from '../../../lib/platform/logger.js';
import type { Extent } from './frame-memory.js';
import type {
  AssemblyThreadInput,
  FrameDone,
  FrameFailed,
  FrameMessage,
  FromThread,
  RecipeMessage,
  ToThread,
} from './messages.js';

export interface CrewOptions extends AssemblyThreadInput {
  readonly numThreads: number;
  readonly log: Logger;
  /** Gives memory for a thread's own room; undefined: there is none now. */
  readonly allocate: (numBytes: number) => Extent | undefined;
  readonly release: (extent: Extent) => void;
  /** Called when a thread has been replaced, or will not be any more. */
  readonly onChange: () => void;
}

/** A second job waits at the thread, so that it never waits for this one to send it. */
const MAX_JOBS_PER_THREAD = 2;
/** Room of a thread from the start: enough for raw samples of 590×590. */
const FIRST_STAGING_BYTES = 1 << 20;
/** Threads that died in a row without having done anything; then the reason is not going to go away. */
const MAX_FRUITLESS_DEATHS = 3;

interface Member {
  worker: Worker;
  staging: Extent;
  readonly recipes: Set<number>;
  readonly jobs: Map<number, (answer: FromThread | undefined) => void>;
}

export class AssemblyCrew {
  readonly #options: CrewOptions;
  readonly #members: Member[] = [];
  #nextJobId = 0;
  #fruitlessDeaths = 0;
  #isClosed = false;

  /** Throws RangeError when the memory is too small for the threads' own rooms. */
  constructor(options: CrewOptions) {
    this.#options = options;
    for (let i = 0; i < options.numThreads; i++) {
      const staging = options.allocate(FIRST_STAGING_BYTES);
      if (staging === undefined) throw new RangeError(`no memory for ${options.numThreads} threads`);
      const member: Member = { worker: this.#start(), staging, recipes: new Set(), jobs: new Map() };
      this.#members.push(member);
      this.#watch(member);
    }
  }

  /** Whether no thread is left, and none will be. */
  get isBroken(): boolean {
    return this.#members.length === 0;
  }

  get hasRoom(): boolean {
    return this.#members.some(({ jobs }) => jobs.size < MAX_JOBS_PER_THREAD);
  }

  /**
   * Gives a frame to the thread that has the least to do. Undefined: none can take it now.
   * The promise is of undefined when the thread died over it.
   */
  tryRun(
    recipe: RecipeMessage,
    stagingBytes: number,
    job: Omit<FrameMessage, 'kind' | 'jobId' | 'staging' | 'stagingBytes'>,
  ): Promise<FrameDone | FrameFailed | undefined> | undefined {
    const member = this.#members
      .filter((it) => it.jobs.size < MAX_JOBS_PER_THREAD && this.#hasStaging(it, stagingBytes))
      .sort((a, b) => a.jobs.size - b.jobs.size)
      .at(0);
    if (member === undefined) return undefined;
    if (!member.recipes.has(recipe.recipeId)) {
      member.recipes.add(recipe.recipeId);
      this.#send(member, recipe);
    }
    const jobId = this.#nextJobId++;
    const { begin: staging, numBytes } = member.staging;
    this.#send(member, { kind: 'frame', jobId, ...job, staging, stagingBytes: numBytes });
    return new Promise((resolve) => {
      member.jobs.set(jobId, resolve);
    });
  }

  forget(recipeId: number): void {
    for (const member of this.#members) {
      if (member.recipes.delete(recipeId)) this.#send(member, { kind: 'forget', recipeId });
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const members = this.#members.splice(0);
    await Promise.all(members.map(({ worker }) => end(worker)));
    for (const { jobs } of members) for (const finish of jobs.values()) finish(undefined);
    this.#options.onChange();
  }

  /** A thread's room moves only while it has no job. */
  #hasStaging(member: Member, numBytes: number): boolean {
    if (member.staging.numBytes >= numBytes) return true;
    if (member.jobs.size > 0) return false;
    const larger = this.#options.allocate(numBytes);
    if (larger === undefined) return false;
    this.#options.release(member.staging);
    member.staging = larger;
    return true;
  }

  #send({ worker }: Member, message: ToThread): void {
    worker.postMessage(message);
  }

  #start(): Worker {
    const { memory, turbojpeg } = this.#options;
    const workerData: AssemblyThreadInput = { memory, turbojpeg };
    return new Worker(new URL('./assembly-thread-main.js', import.meta.url), { workerData, name: 'assembly' });
  }

  #watch(member: Member): void {
    const { worker } = member;
    let cause: unknown;
    worker.on('error', (error) => {
      cause = error;
    });
    worker.on('message', (answer: FromThread) => {
      this.#fruitlessDeaths = 0;
      const finish = member.jobs.get(answer.jobId);
      member.jobs.delete(answer.jobId);
      finish?.(answer);
    });
    worker.on('exit', () => {
      if (!this.#isClosed) this.#replace(member, cause);
    });
    // A server that does not listen is no reason to stay. After the listeners, for they are one.
    worker.unref();
  }

  #replace(member: Member, cause: unknown): void {
    this.#fruitlessDeaths++;
    const isLast = this.#fruitlessDeaths > MAX_FRUITLESS_DEATHS;
    const error = new MillraceError('ERR_WORKER_LOST', `an assembly thread died with ${member.jobs.size} frames`, {
      cause,
    });
    this.#options.log[isLast ? 'error' : 'warn']({ err: error }, isLast ? 'it is not replaced' : 'it is replaced');
    const lost = [...member.jobs.values()];
    member.jobs.clear();
    member.recipes.clear();
    if (isLast) {
      this.#members.splice(this.#members.indexOf(member), 1);
      this.#options.release(member.staging);
    } else {
      member.worker = this.#start();
      this.#watch(member);
    }
    for (const finish of lost) finish(undefined);
    this.#options.onChange();
  }
}

/** Ends a thread in order. Terminated while it loads a native library, it would take the process with it. */
function end(worker: Worker): Promise<void> {
  return new Promise((resolve) => {
    worker.once('exit', () => resolve());
    worker.ref();
    const message: ToThread = { kind: 'end' };
    worker.postMessage(message);
  });
}
