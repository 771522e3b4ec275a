/** What a server tells of itself: each process by itself, and all of them together. */
import { packageVersion } from '../../lib/platform/package-root.js';
import type { GetStatusResponse, StreamStatus } from '../../protos/gen/millrace/v1/batch.js';

/** Of one process: plain data, that goes from process to process. */
export interface ProcessStatus extends Omit<
  GetStatusResponse,
  'serverVersion' | 'splits' | 'numProcesses' | 'streams'
> {
  readonly streams: readonly StreamFigures[];
}

/** One stream, and what its lag is found with: only streams of the same run can be compared. */
export interface StreamFigures extends Omit<StreamStatus, 'lagSteps'> {
  readonly run: string;
  /** Steps since the first one of epoch 0. */
  readonly numStepsDone: number;
}

/** Sums; of uptime and of warming, which each process does for itself, that of the furthest. */
export function sumStatus(processes: readonly ProcessStatus[]): Omit<GetStatusResponse, 'splits'> {
  const figures = processes.flatMap(({ streams }) => streams);
  const furthest = new Map<string, number>();
  for (const { run, numStepsDone } of figures) {
    furthest.set(run, Math.max(furthest.get(run) ?? 0, numStepsDone));
  }
  const sum = (of: (status: ProcessStatus) => number): number =>
    processes.reduce((total, status) => total + of(status), 0);
  const most = (of: (status: ProcessStatus) => number): number => Math.max(...processes.map(of));
  return {
    serverVersion: packageVersion(),
    numProcesses: processes.length,
    isDraining: processes.some(({ isDraining }) => isDraining),
    streams: figures.map(({ run, numStepsDone, ...status }) => ({
      ...status,
      lagSteps: (furthest.get(run) ?? 0) - numStepsDone,
    })),
    batchesSent: sum((it) => it.batchesSent),
    bytesSent: sum((it) => it.bytesSent),
    imagesPerSecond: sum((it) => it.imagesPerSecond),
    bytesPerSecond: sum((it) => it.bytesPerSecond),
    memoryUsedBytes: sum((it) => it.memoryUsedBytes),
    memoryLimitBytes: sum((it) => it.memoryLimitBytes),
    uptimeSeconds: most((it) => it.uptimeSeconds),
    warmBytesDone: most((it) => it.warmBytesDone),
    warmBytesTotal: most((it) => it.warmBytesTotal),
  };
}
