import type { GetStatusResponse } from '../../../protos/gen/millrace/v1/batch.js';
import { packageVersion } from '../../../lib/platform/package-root.js';
import type { ServerContext } from '../context.js';

/** GetStatus: the open streams and what was sent so far. */
export function getStatus(context: ServerContext): GetStatusResponse {
  return {
    serverVersion: packageVersion(),
    uptimeSeconds: (performance.now() - context.startedAtMs) / 1000,
    isDraining: context.draining.aborted,
    streams: context.streams.status(),
    batchesSent: context.streams.batchesSent,
    bytesSent: context.streams.bytesSent,
  };
}
