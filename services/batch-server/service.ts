/** The service as grpc-js wants it: one handler an RPC, errors turned into status in one place. */
import type {
  ServerDuplexStream,
  ServerWritableStream,
  ServiceDefinition,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
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
  type StreamSharedBatchesRequest,
} from '../../protos/gen/millrace/v1/batch.js';
import type { ServerContext } from './context.js';
import { decodeSharedRequest, decodeStreamRequest } from './decode-request.js';
import { getDataset } from './rpc/get-dataset.js';
import { getStatus } from './rpc/get-status.js';
import { listDatasets } from './rpc/list-datasets.js';
import { streamBatches } from './rpc/stream-batches.js';
import { streamSharedBatches } from './rpc/stream-shared-batches.js';
import type { FrameCall } from './wire.js';

/** The generated definition, but streams send buffers that are encoded already, and carry gRPC's prefix. */
export const batchServiceDefinition: ServiceDefinition = {
  ...BatchServiceService,
  streamBatches: {
    ...BatchServiceService.streamBatches,
    requestDeserialize: decodeStreamRequest,
    responseSerialize: withoutPrefix,
  },
  streamSharedBatches: {
    ...BatchServiceService.streamSharedBatches,
    requestDeserialize: decodeSharedRequest,
    responseSerialize: withoutPrefix,
  },
};

export function createBatchService(context: ServerContext): UntypedServiceImplementation {
  const { log, pool } = context;
  let isCopyingTold = false;
  const stream = (call: FrameCall, work: () => Promise<void>): void => {
    const reason = takePreFramed(call);
    if (reason !== undefined && !isCopyingTold) {
      log.warn({ reason }, 'frames are copied before they are sent');
      isCopyingTold = true;
    }
    work().then(
      () => call.end(),
      (error: unknown) => {
        // Not destroy(): a destroyed stream sends no status any more.
        if (!call.cancelled) call.emit('error', serviceErrorOf(error));
      },
    );
  };
  const { file } = pool;
  return {
    listDatasets: unary<ListDatasetsRequest, ListDatasetsResponse>(log, () => listDatasets(context)),
    getDataset: unary<GetDatasetRequest, GetDatasetResponse>(log, (request) => getDataset(context, request)),
    getStatus: unary<GetStatusRequest, GetStatusResponse>(log, (request) => getStatus(context, request)),
    streamBatches: (call: ServerWritableStream<StreamBatchesRequest, Buffer>) => {
      stream(call, () =>
        streamBatches(context, call, call.request, (frame, onTaken) => call.write(frame.message, onTaken)),
      );
    },
    ...(file !== undefined && {
      streamSharedBatches: (call: ServerDuplexStream<StreamSharedBatchesRequest, Buffer>) => {
        stream(call, () => streamSharedBatches(context, call, file));
      },
    }),
  };
}
