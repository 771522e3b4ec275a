/** The service as grpc-js wants it: one handler an RPC, errors turned into status in one place. */
import type { ServerWritableStream, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { serviceErrorOf } from '../../lib/rpc/grpc-status.js';
import { takePreFramed, withoutPrefix } from '../../lib/rpc/pre-framed.js';
import { unary } from '../../lib/rpc/unary.js';
import {
  BatchServiceService,
  type GetDatasetRequest,
  type GetDatasetResponse,
  type GetStatusRequest,
  type GetStatusResponse,
  type ListDatasetsRequest,
  type ListDatasetsResponse,
  type StreamBatchesRequest,
} from '../../protos/gen/millrace/v1/batch.js';
import type { ServerContext } from './context.js';
import { decodeStreamRequest } from './decode-request.js';
import { getDataset } from './rpc/get-dataset.js';
import { getStatus } from './rpc/get-status.js';
import { listDatasets } from './rpc/list-datasets.js';
import { streamBatches } from './rpc/stream-batches.js';

/** The generated definition, but StreamBatches sends buffers that are encoded already, and carry gRPC's prefix. */
export const batchServiceDefinition: ServiceDefinition = {
  ...BatchServiceService,
  streamBatches: {
    ...BatchServiceService.streamBatches,
    requestDeserialize: decodeStreamRequest,
    responseSerialize: withoutPrefix,
  },
};

export function createBatchService(context: ServerContext): UntypedServiceImplementation {
  const { log } = context;
  let isCopyingTold = false;
  return {
    listDatasets: unary<ListDatasetsRequest, ListDatasetsResponse>(log, () => listDatasets(context)),
    getDataset: unary<GetDatasetRequest, GetDatasetResponse>(log, (request) => getDataset(context, request)),
    getStatus: unary<GetStatusRequest, GetStatusResponse>(log, (request) => getStatus(context, request)),
    streamBatches: (call: ServerWritableStream<StreamBatchesRequest, Buffer>) => {
      const reason = takePreFramed(call);
      if (reason !== undefined && !isCopyingTold) {
        log.warn({ reason }, 'frames are copied before they are sent');
        isCopyingTold = true;
      }
      streamBatches(context, call).then(
        () => call.end(),
        (error: unknown) => {
          // Not destroy(): a destroyed stream sends no status any more.
          if (!call.cancelled) call.emit('error', serviceErrorOf(error));
        },
      );
    },
  };
}
