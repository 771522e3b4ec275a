/** The digests of a file that is still being written, from a thread that follows the writer by way of the page cache. */
import { Worker } from 'node:worker_threads';
import type { DigestName, Digests } from '../../lib/platform/known-digest.js';
import type { DigestReport, DigestRequest, DigestWorkerInput, HashState } from './digest-worker.js';
import { HASH_BLOCK_BYTES } from './resumable-hash.js';

export type { HashState } from './digest-worker.js';

export interface DigestFollowerOptions {
  readonly path: string;
  readonly names: readonly DigestName[];
  /** Where to go on; `{ bytes: 0, states: {} }` for the beginning. */
  readonly from: HashState;
  /** Fewer new bytes than this are not worth waking the thread for. */
  readonly stepBytes: number;
  /** Called whenever more has been hashed. */
  readonly onProgress: () => void;
}

export class DigestFollower {
  readonly #worker: Worker;
  readonly #stepBytes: number;
  #state: HashState;
  /** How far the file is good, and how much of that the thread knows of. */
  #promisedBytes = 0;
  #toldBytes = 0;
  /** Only the thread knows whether it can go on from the state that it was given. */
  #isUnderWay = false;
  #digests: Digests | undefined;
  #failure: Error | undefined;
  readonly #waiters = new Set<() => void>();

  /** The file must exist. Close it in the end. */
  constructor({ path, names, from, stepBytes, onProgress }: DigestFollowerOptions) {
    this.#state = from;
    this.#stepBytes = stepBytes;
    const workerData: DigestWorkerInput = { path, names, from };
    this.#worker = new Worker(new URL('./digest-worker.js', import.meta.url), { workerData });
    this.#worker.on('message', (report: DigestReport) => {
      this.#isUnderWay = true;
      if ('state' in report) this.#state = report.state;
      else this.#digests = report.digests;
      this.#wake();
      onProgress();
    });
    this.#worker.on('error', (error: Error) => {
      this.#failure = error;
      this.#wake();
    });
  }

  /** How far the file is hashed, as last heard. */
  get state(): HashState {
    return this.#state;
  }

  /** Says that the first `bytes` of the file are good; never fewer than before. */
  follow(bytes: number): void {
    this.#promisedBytes = bytes;
    if (bytes - this.#toldBytes >= this.#stepBytes) this.#tell();
  }

  /** Resolves when the whole blocks of the first `bytes` are hashed; they must have been promised. Rejects with what the thread failed of. */
  async reached(bytes: number): Promise<void> {
    if (this.#toldBytes < bytes) this.#tell();
    await this.#until(() => this.#isUnderWay && this.#state.bytes >= bytes - (bytes % HASH_BLOCK_BYTES));
  }

  /** Digests of the first `bytes`, which is all of the file; the last call before {@link close}. */
  async digests(bytes: number): Promise<Digests> {
    this.#send({ digestsOf: bytes });
    await this.#until(() => this.#digests !== undefined);
    return this.#digests ?? {};
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #tell(): void {
    this.#toldBytes = this.#promisedBytes;
    this.#send({ until: this.#promisedBytes });
  }

  #send(request: DigestRequest): void {
    this.#worker.postMessage(request);
  }

  async #until(isReached: () => boolean): Promise<void> {
    while (!isReached()) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => this.#waiters.add(resolve));
    }
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
  }
}
