"""gRPC status as errors of ours."""

from __future__ import annotations

import grpc

from millrace.errors import ErrorCode, MillraceError, UsageError
from millrace.tls import Tls, hint_of, refusal_of

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


_TOKEN_ADVICE = (
    "pass connect(token=…) one that `millrace token new` made and whose line is in the file of the server's --tokens"
)


def to_client_error(error: Exception, server: str, tls: Tls | None) -> MillraceError:
    """Turns what a call ended with into a MillraceError that names the server, and what to do where that is known."""
    if isinstance(error, MillraceError):
        return error
    if not (isinstance(error, grpc.RpcError) and isinstance(error, grpc.Call)):
        return MillraceError("ERR_INTERNAL", f"server {server}: {type(error).__name__}: {error}")
    code, details = error.code(), error.details() or ""
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        field, _, rest = details.partition(": ")
        return UsageError(field, rest or details)
    if code is grpc.StatusCode.UNAUTHENTICATED:
        return MillraceError("ERR_UNAUTHENTICATED", f"server {server}: {details}; {_TOKEN_ADVICE}")
    refusal = refusal_of(details) if code is grpc.StatusCode.UNAVAILABLE else None
    if refusal is not None:
        return UsageError("tls", f"server {server}: {refusal}")
    return MillraceError(
        _CODE_OF.get(code, "ERR_UNAVAILABLE"),
        f"server {server}: {details or code.name}{hint_of(details, tls)}",
        is_retryable=code in _RETRYABLE,
    )
