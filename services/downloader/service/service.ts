/** The service as grpc-js wants it; an RPC that is more than a call of the queue has a file of its own in `rpc/`. */
import type { ServerWritableStream, UntypedServiceImplementation } from '@grpc/grpc-js';
import { serviceErrorOf } from '../../../lib/rpc/grpc-status.js';
import { unary } from '../../../lib/rpc/unary.js';
import type {
  AddRequest,
  AddResponse,
  CancelRequest,
  CancelResponse,
  ListRequest,
  ListResponse,
  PauseRequest,
  PauseResponse,
  ResumeRequest,
  ResumeResponse,
  SetRateRequest,
  SetRateResponse,
  WatchRequest,
  WatchResponse,
} from '../../../protos/gen/millrace/v1/download.js';
import { UsageError } from '../../../lib/core/errors.js';
import { archivesOf } from './add-request.js';
import type { ServiceContext } from './context.js';
import { watch } from './rpc/watch.js';
import { wireJobOf } from './wire-job.js';

export function createDownloadService(context: ServiceContext): UntypedServiceImplementation {
  const { queue, log } = context;
  return {
    add: unary<AddRequest, AddResponse>(log, async (request) => ({
      jobs: (await queue.add(archivesOf(request), request.priority)).map(wireJobOf),
    })),
    list: unary<ListRequest, ListResponse>(log, () => ({
      jobs: queue.list().map(wireJobOf),
      bytesPerSecond: queue.bytesPerSecond ?? 0,
    })),
    pause: unary<PauseRequest, PauseResponse>(log, async ({ files }) => ({
      jobs: (await queue.pause(files)).map(wireJobOf),
    })),
    resume: unary<ResumeRequest, ResumeResponse>(log, async ({ files }) => ({
      jobs: (await queue.resume(files)).map(wireJobOf),
    })),
    cancel: unary<CancelRequest, CancelResponse>(log, async ({ files }) => {
      if (files.length === 0) throw new UsageError('files', 'files: expected the name of at least one job, got none');
      return { jobs: (await queue.cancel(files)).map(wireJobOf) };
    }),
    setRate: unary<SetRateRequest, SetRateResponse>(log, async ({ bytesPerSecond }) => {
      await queue.setRate(bytesPerSecond === 0 ? undefined : bytesPerSecond);
      return {};
    }),
    watch: (call: ServerWritableStream<WatchRequest, WatchResponse>) => {
      const peer = call.getPeer();
      watch(context, call).then(
        () => call.end(),
        (error: unknown) => {
          log.info({ err: error, peer }, 'watch ended');
          call.emit('error', serviceErrorOf(error));
        },
      );
    },
  };
}
