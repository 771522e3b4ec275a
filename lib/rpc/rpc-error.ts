/** What a call ended with, at the client, as an error of ours. */
import { status, type ServiceError } from '@grpc/grpc-js';
import { describeConnectFailure } from '../core/connect-failure.js';
import { MillraceError, UsageError, type ErrorCode } from '../core/errors.js';
import { CODE_KEY } from './grpc-status.js';

/** Status codes after which the same call may succeed later. */
const RETRYABLE: ReadonlySet<status> = new Set([
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.RESOURCE_EXHAUSTED,
]);

/** Gives an error the code that the server sent along, ERR_UNAVAILABLE when no server of ours answered; the message names `server`. */
export function toRpcError(error: unknown, server: string): MillraceError {
  if (error instanceof MillraceError) return error;
  const { code = status.UNKNOWN, details = String(error), metadata } = error as Partial<ServiceError>;
  const sent = metadata?.get(CODE_KEY)[0]?.toString() as ErrorCode | undefined;
  if (sent === 'ERR_USAGE') return new UsageError(details.split(':', 1)[0], details, { cause: error });
  return new MillraceError(sent ?? 'ERR_UNAVAILABLE', `${server}: ${describeConnectFailure(details)}`, {
    cause: error,
    isRetryable: RETRYABLE.has(code),
    context: { server },
  });
}
