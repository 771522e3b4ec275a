/** Unary RPCs as plain functions: grpc-js' callback, the status of an error, and the log of it in one place. */
import type { handleUnaryCall } from '@grpc/grpc-js';
import type { Logger } from '../platform/logger.js';
import { serviceErrorOf } from './grpc-status.js';

/** What grpc-js calls for an RPC that answers with what `handler` returns. A thrown error is logged whole; the wire gets its status. */
export function unary<Request, Response>(
  log: Logger,
  handler: (request: Request) => Promise<Response> | Response,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    // Later the connection may be gone, and its address with it.
    const peer = call.getPeer();
    Promise.resolve()
      .then(() => handler(call.request))
      .then(
        (response) => callback(null, response),
        (error: unknown) => {
          log.warn({ err: error, peer }, 'call failed');
          callback(serviceErrorOf(error));
        },
      );
  };
}
