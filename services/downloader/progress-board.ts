/** How far all archives of a run are: one line for their sum, and for programs each file of its own. */
import type { Archive } from '../../lib/catalog/dataset-schema.js';
import { formatBytes, type ProgressPart, type Reporter } from '../../lib/platform/progress.js';

export interface ProgressBoard {
  /** `detail` says what is done when it is not a transfer. */
  update(file: string, done: number, total: number | undefined, detail?: string): void;
  addRetry(file: string): void;
}

/** Milliseconds over which a file's rate is measured. */
const RATE_WINDOW_MS = 5_000;

class FileProgress {
  readonly file: string;
  done = 0;
  total: number | undefined;
  numRetries = 0;
  /** Bytes per second. */
  rate = 0;
  #windowBeganAtMs = performance.now();
  #windowBeganAt: number | undefined;

  constructor({ file, bytes }: Archive) {
    this.file = file;
    this.total = bytes;
  }

  update(done: number, total: number | undefined): void {
    this.done = done;
    this.total = total;
    const nowMs = performance.now();
    const windowMs = nowMs - this.#windowBeganAtMs;
    if (this.#windowBeganAt !== undefined && windowMs > 0) {
      const rate = Math.max(0, ((done - this.#windowBeganAt) / windowMs) * 1000);
      // The first window is told of while it lasts.
      if (this.rate === 0 || windowMs >= RATE_WINDOW_MS) this.rate = rate;
    }
    if (this.#windowBeganAt === undefined || windowMs >= RATE_WINDOW_MS) {
      this.#windowBeganAt = done;
      this.#windowBeganAtMs = nowMs;
    }
  }

  get isUnderWay(): boolean {
    return this.done > 0 && this.done !== this.total;
  }

  snapshot(): ProgressPart {
    const { file: name, done, total, rate, numRetries } = this;
    const secondsLeft = total !== undefined && rate > 0 ? (total - done) / rate : undefined;
    return { name, done, total, rate, secondsLeft, numRetries };
  }
}

/** The sum has a total as soon as every length is known. */
export function createProgressBoard(archives: readonly Archive[], reporter: Reporter): ProgressBoard {
  const files = new Map(archives.map((archive) => [archive.file, new FileProgress(archive)]));

  const describe = (): string | undefined => {
    const active = [...files.values()].filter(({ isUnderWay }) => isUnderWay);
    const numRetries = [...files.values()].reduce((sum, file) => sum + file.numRetries, 0);
    const parts = active.length > 1 ? active.map(describeFile) : [];
    if (numRetries > 0) parts.push(`${numRetries} ${numRetries === 1 ? 'retry' : 'retries'}`);
    return parts.length > 0 ? parts.join(', ') : undefined;
  };

  return {
    update(file, done, total, detail) {
      const progress = files.get(file);
      if (progress === undefined) return;
      // The end of an archive is told twice when it has just come; nobody wants to read it twice.
      if (done === total && progress.done === done && progress.total === total) return;
      progress.update(done, total);
      const all = [...files.values()];
      const isKnown = all.every((other) => other.total !== undefined);
      reporter.progress({
        stage: 'download',
        unit: 'bytes',
        done: all.reduce((sum, other) => sum + other.done, 0),
        total: isKnown ? all.reduce((sum, other) => sum + (other.total ?? 0), 0) : undefined,
        detail: detail ?? describe(),
        parts: all.map((other) => other.snapshot()),
      });
    },
    addRetry(file) {
      const progress = files.get(file);
      if (progress !== undefined) progress.numRetries++;
    },
  };
}

function describeFile({ file, done, total, rate }: FileProgress): string {
  const amount = total === undefined ? formatBytes(done) : `${Math.floor((done / total) * 100)} %`;
  return `${file} ${amount} at ${formatBytes(rate)}/s`;
}
