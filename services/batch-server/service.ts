/** The service as grpc-js wants it: one handler an RPC, errors turned into status in one place. */
import type {
  handleUnaryCall,
  ServerWritableStream,
  ServiceDefinition,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { codeOf } from '../../lib/core/errors.js';
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
import { serviceErrorOf } from './grpc-status.js';
import { getDataset } from './rpc/get-dataset.js';
import { getStatus } from './rpc/get-status.js';
import { listDatasets } from './rpc/list-datasets.js';
import { streamBatches } from './rpc/stream-batches.js';

/** The generated definition, but StreamBatches sends buffers that are encoded already. */
export const batchServiceDefinition: ServiceDefinition = {
  ...BatchServiceService,
  streamBatches: { ...BatchServiceService.streamBatches, responseSerialize: (frame: Buffer) => frame },
};

export function createBatchService(context: ServerContext): UntypedServiceImplementation {
  const unary =
    <Request, Response>(
      handler: (request: Request) => Promise<Response> | Response,
    ): handleUnaryCall<Request, Response> =>
    (call, callback) => {
      Promise.resolve()
        .then(() => handler(call.request))
        .then(
          (response) => callback(null, response),
          (error: unknown) => {
            context.log.warn({ err: error, peer: call.getPeer() }, 'call failed');
            callback(serviceErrorOf(error));
          },
        );
    };
  return {
    listDatasets: unary<ListDatasetsRequest, ListDatasetsResponse>(() => listDatasets(context)),
    getDataset: unary<GetDatasetRequest, GetDatasetResponse>((request) => getDataset(context, request)),
    getStatus: unary<GetStatusRequest, GetStatusResponse>(() => getStatus(context)),
    streamBatches: (call: ServerWritableStream<StreamBatchesRequest, Buffer>) => {
      const peer = call.getPeer();
      streamBatches(context, call).then(
        () => call.end(),
        (error: unknown) => {
          const code = codeOf(error) ?? 'ERR_INTERNAL';
          context.metrics.streamErrors.inc({ code });
          // A client that goes away is everyday life.
          context.log[code === 'ERR_INTERRUPTED' ? 'info' : 'warn']({ err: error, peer, code }, 'stream ended');
          // Not destroy(): a destroyed stream sends no status any more.
          if (!call.cancelled) call.emit('error', serviceErrorOf(error));
        },
      );
    },
  };
}
