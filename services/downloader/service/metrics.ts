/** The service's Prometheus metrics: what its queue holds, and what it hears from it. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { DownloadQueue } from './download-queue.js';
import type { JobState } from './job.js';

const STATES: readonly JobState[] = ['queued', 'active', 'paused', 'done', 'failed', 'cancelled'];

export function registerDownloadMetrics(registry: Registry, queue: DownloadQueue): void {
  const registers = [registry];
  const sum = (bytesOf: (job: ReturnType<DownloadQueue['list']>[number]) => number): number =>
    queue.list().reduce((total, job) => total + bytesOf(job), 0);

  new Gauge({
    name: 'millrace_download_jobs',
    help: 'Archives in the queue, by state',
    labelNames: ['state'],
    registers,
    collect() {
      for (const state of STATES)
        this.set(
          { state },
          sum((job) => Number(job.state === state)),
        );
    },
  });
  new Gauge({
    name: 'millrace_download_active',
    help: 'Archives being fetched',
    registers,
    collect() {
      this.set(sum((job) => Number(job.state === 'active')));
    },
  });
  new Gauge({
    name: 'millrace_download_size_bytes',
    help: 'Bytes of all archives in the queue whose length is known',
    registers,
    collect() {
      this.set(sum((job) => job.bytesTotal ?? 0));
    },
  });
  new Gauge({
    name: 'millrace_download_completed_bytes',
    help: 'Bytes of the archives in the queue that are here',
    registers,
    collect() {
      this.set(sum((job) => job.bytesDone));
    },
  });
  count(registers, queue);
}

function count(registers: Registry[], queue: DownloadQueue): void {
  const bytes = new Counter({
    name: 'millrace_download_bytes_total',
    help: 'Bytes that came over the network',
    registers,
  });
  const retries = new Counter({
    name: 'millrace_download_retries_total',
    help: 'Transfers that broke and were tried again, by kind of reason',
    labelNames: ['reason'],
    registers,
  });
  const restarts = new Counter({
    name: 'millrace_download_restarts_total',
    help: 'Transfers that began anew though a part was at hand',
    registers,
  });
  const failures = new Counter({
    name: 'millrace_download_failures_total',
    help: 'Downloads that failed, by code',
    labelNames: ['code'],
    registers,
  });
  const verifyFailures = new Counter({
    name: 'millrace_download_verify_failures_total',
    help: 'Archives that came whole and were not what their digest says',
    registers,
  });

  /** Bytes of each running transfer when last heard of: the first word after a start is where it begins, not what came. */
  const bytesSeen = new Map<string, number>();
  queue.subscribe((update) => {
    const { file, status, bytesDone, detail } = update.job;
    if (update.kind === 'progress') {
      // With a detail it is a file that is read, not one that comes.
      if (detail !== undefined) return;
      bytes.inc(Math.max(0, bytesDone - (bytesSeen.get(file) ?? bytesDone)));
      bytesSeen.set(file, bytesDone);
    } else if (update.kind === 'event') {
      if (update.name === 'retry') retries.inc({ reason: retryKind(String(update.fields['reason'])) });
      if (update.name === 'restarted') restarts.inc();
      if (update.fields['code'] === 'ERR_VERIFICATION') verifyFailures.inc();
    } else {
      bytesSeen.delete(file);
      if (status.state !== 'failed') return;
      failures.inc({ code: status.code });
      if (status.code === 'ERR_VERIFICATION') verifyFailures.inc();
    }
  });
}

const RETRY_KINDS: readonly (readonly [RegExp, string])[] = [
  [/^stalled/, 'stall'],
  [/in time$/, 'timeout'],
  [/reset|refused|cut|closed|ended|as long as/, 'connection'],
  [/host/, 'name'],
  [/\b(429|5\d\d)\b/, 'status'],
];

/** Few kinds of reasons out of a sentence: a label with free text would grow without bound. */
export function retryKind(reason: string): string {
  return RETRY_KINDS.find(([pattern]) => pattern.test(reason))?.[1] ?? 'other';
}
