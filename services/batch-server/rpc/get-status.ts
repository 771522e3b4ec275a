import type { GetStatusRequest, GetStatusResponse } from '../../../protos/gen/millrace/v1/batch.js';
import { packageVersion } from '../../../lib/platform/package-root.js';
import type { ServerContext } from '../context.js';

/** GetStatus: the open streams, what was sent so far, memory, and, if it is asked for, how much of each split is in the page cache. */
export async function getStatus(context: ServerContext, request: GetStatusRequest): Promise<GetStatusResponse> {
  const { streams, pool, warmUp } = context;
  return {
    serverVersion: packageVersion(),
    uptimeSeconds: (performance.now() - context.startedAtMs) / 1000,
    isDraining: context.draining.aborted,
    streams: streams.status(),
    batchesSent: streams.numBatches,
    bytesSent: streams.numBytes,
    imagesPerSecond: streams.images.perSecond,
    bytesPerSecond: streams.bytes.perSecond,
    memoryUsedBytes: pool.usedBytes,
    memoryLimitBytes: pool.memoryBytes,
    splits: request.residency ? await context.residency.look() : [],
    warmBytesDone: warmUp.bytesDone,
    warmBytesTotal: warmUp.bytesTotal,
  };
}
