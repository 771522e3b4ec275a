/** gRPC status as errors of ours. */
import { status } from '@grpc/grpc-js';
import { describeConnectFailure } from '../../../lib/core/connect-failure.js';
import { MillraceError, UsageError, type ErrorCode } from '../../../lib/core/errors.js';

const CODE_OF: Partial<Record<status, ErrorCode>> = {
  [status.NOT_FOUND]: 'ERR_NOT_FOUND',
  [status.OUT_OF_RANGE]: 'ERR_OUT_OF_RANGE',
  [status.FAILED_PRECONDITION]: 'ERR_VERSION_CHANGED',
  [status.DATA_LOSS]: 'ERR_SHARD_CORRUPT',
  [status.UNAUTHENTICATED]: 'ERR_UNAUTHENTICATED',
  [status.RESOURCE_EXHAUSTED]: 'ERR_OVER_LIMIT',
};

/** Status codes after which another server, or the same one later, may serve: the data is the same everywhere. */
const RETRYABLE = new Set<status>([
  // Not by us: a server that had to cut its streams.
  status.CANCELLED,
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.RESOURCE_EXHAUSTED,
  status.INTERNAL,
  status.UNKNOWN,
  status.DATA_LOSS,
]);

/** Turns what a call ended with into a MillraceError that names the server. */
export function toClientError(error: unknown, server: string): MillraceError {
  if (error instanceof MillraceError) return error;
  const { code = status.UNKNOWN, details } = error as { code?: status; details?: string };
  const said = details === undefined || details === '' ? String(error) : details;
  if (code === status.INVALID_ARGUMENT) return new UsageError(said.split(':', 1)[0], said, { cause: error });
  return new MillraceError(CODE_OF[code] ?? 'ERR_UNAVAILABLE', `server ${server}: ${describeConnectFailure(said)}`, {
    cause: error,
    isRetryable: RETRYABLE.has(code),
    context: { server },
  });
}
