/** Errors as gRPC status: the message of an error raised on purpose goes over the wire, the cause stays in the log. */
import { Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { MillraceError, type ErrorCode } from '../core/errors.js';

/** Metadata key under which an error's own code travels, since several codes share one status. */
export const CODE_KEY = 'millrace-code';

const STATUS_OF: Partial<Record<ErrorCode, status>> = {
  ERR_USAGE: status.INVALID_ARGUMENT,
  ERR_NOT_FOUND: status.NOT_FOUND,
  ERR_OUT_OF_RANGE: status.OUT_OF_RANGE,
  ERR_VERSION_CHANGED: status.FAILED_PRECONDITION,
  ERR_OPTIONS_DIFFER: status.FAILED_PRECONDITION,
  ERR_SHARD_CORRUPT: status.DATA_LOSS,
  ERR_UNAUTHENTICATED: status.UNAUTHENTICATED,
  ERR_UNAVAILABLE: status.UNAVAILABLE,
  ERR_OVER_LIMIT: status.RESOURCE_EXHAUSTED,
  ERR_INTERRUPTED: status.CANCELLED,
};

/** What the wire says of an error. Paths of the server stay at home: only codes that describe the request keep their message. */
export function serviceErrorOf(error: unknown): ServiceError {
  const code = error instanceof MillraceError ? (STATUS_OF[error.code] ?? status.INTERNAL) : status.INTERNAL;
  const metadata = new Metadata();
  if (error instanceof MillraceError) metadata.set(CODE_KEY, error.code);
  const details = detailsOf(error, code);
  return Object.assign(new Error(details), { code, details, metadata });
}

function detailsOf(error: unknown, code: status): string {
  if (error instanceof MillraceError && code !== status.INTERNAL && code !== status.DATA_LOSS) return error.message;
  if (code === status.DATA_LOSS) return 'a shard of this split is corrupt; the log of the server names it';
  return 'internal error; the log of the server has it';
}
