import type { GetStatusRequest, GetStatusResponse } from '../../../protos/gen/millrace/v1/batch.js';
import type { ServerContext } from '../context.js';
import { sumStatus, type ProcessStatus } from '../server-status.js';

/** GetStatus: the open streams, what was sent so far, memory, and, if it is asked for, how much of each split is in the page cache. */
export async function getStatus(context: ServerContext, request: GetStatusRequest): Promise<GetStatusResponse> {
  return {
    ...sumStatus(await context.statusOfAll()),
    splits: request.residency ? await context.residency.look() : [],
  };
}

/** What this process alone has to tell. */
export function processStatusOf(context: ServerContext): ProcessStatus {
  const { streams, pool, warmUp, draining, startedAtMs } = context;
  return {
    uptimeSeconds: (performance.now() - startedAtMs) / 1000,
    isDraining: draining.aborted,
    streams: streams.figures(),
    batchesSent: streams.numBatches,
    bytesSent: streams.numBytes,
    imagesPerSecond: streams.images.perSecond,
    bytesPerSecond: streams.bytes.perSecond,
    memoryUsedBytes: pool.usedBytes,
    memoryLimitBytes: pool.memoryBytes,
    warmBytesDone: warmUp.bytesDone,
    warmBytesTotal: warmUp.bytesTotal,
  };
}
