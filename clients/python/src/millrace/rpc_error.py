"""gRPC status as errors of ours."""

from __future__ import annotations

import grpc

from millrace.errors import ErrorCode, MillraceError, UsageError

_CODE_OF: dict[grpc.StatusCode, ErrorCode] = {
    grpc.StatusCode.NOT_FOUND: "ERR_NOT_FOUND",
    grpc.StatusCode.OUT_OF_RANGE: "ERR_OUT_OF_RANGE",
    grpc.StatusCode.FAILED_PRECONDITION: "ERR_VERSION_CHANGED",
    grpc.StatusCode.DATA_LOSS: "ERR_SHARD_CORRUPT",
    grpc.StatusCode.UNAUTHENTICATED: "ERR_UNAUTHENTICATED",
    grpc.StatusCode.PERMISSION_DENIED: "ERR_UNAUTHENTICATED",
}

#: After these another server, or the same one later, may serve: the data is the same everywhere.
_RETRYABLE = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DATA_LOSS,
}


def to_client_error(error: Exception, server: str) -> MillraceError:
    """Turns what a call ended with into a MillraceError that names the server."""
    if isinstance(error, MillraceError):
        return error
    if not (isinstance(error, grpc.RpcError) and isinstance(error, grpc.Call)):
        return MillraceError("ERR_INTERNAL", f"server {server}: {type(error).__name__}: {error}")
    code, details = error.code(), error.details() or ""
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        field, _, rest = details.partition(": ")
        return UsageError(field, rest or details)
    return MillraceError(
        _CODE_OF.get(code, "ERR_UNAVAILABLE"),
        f"server {server}: {details or code.name}",
        is_retryable=code in _RETRYABLE,
    )
