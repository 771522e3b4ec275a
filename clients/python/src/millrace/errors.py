"""Every error that the client raises on purpose. Codes are stable, and the same as those of the TypeScript side (lib/core/errors.ts)."""

from __future__ import annotations

from typing import Literal

ErrorCode = Literal[
    "ERR_USAGE",  # an argument is wrong; UsageError.field names it
    "ERR_NOT_FOUND",  # no server has the dataset or split
    "ERR_VERIFICATION",  # what came is not what the server says it sent
    "ERR_VERSION_CHANGED",  # the split is at another version than the run began with
    "ERR_OUT_OF_RANGE",  # a step past the end of its epoch
    "ERR_SHARD_CORRUPT",  # a server's shard does not hold what it should
    "ERR_UNAUTHENTICATED",  # no token, or a wrong one
    "ERR_UNAVAILABLE",  # no server answered for as long as the client was told to try
    "ERR_CLOSED",  # the stream or client was closed, or is used in a forked process
    "ERR_INTERNAL",  # a condition that the code relies on does not hold: a bug
]


class MillraceError(Exception):
    """Base of all errors raised on purpose. The message names what was expected and what to do."""

    def __init__(self, code: ErrorCode, message: str, *, is_retryable: bool = False) -> None:
        # What `pickle` calls the class with, for exceptions that come from another process.
        super().__init__(code, message)
        self.code = code
        self.message = message
        #: Whether the same call may succeed later, or at another server, without anybody changing anything.
        self.is_retryable = is_retryable

    def __str__(self) -> str:
        return self.message


class UsageError(MillraceError, ValueError):
    """Raised when an argument is wrong; `field` is its name as the caller wrote it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__("ERR_USAGE", f"{field}: {message}")
        self.args = (field, message)
        self.field = field
