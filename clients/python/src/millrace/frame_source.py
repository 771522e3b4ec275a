"""Where a lane's frames come from: the wire, or on the server's machine its memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import grpc

from millrace.buffers import keep_freed_memory
from millrace.connection import Connection
from millrace.frame import Frame, read_frame
from millrace.shared_frames import SharedFrames
from millrace.v1 import batch_pb2 as pb


class FrameSource(Protocol):
    """Frames in order. Iterating raises grpc.RpcError when the server ends it, or after a cancel."""

    def __iter__(self) -> Iterator[Frame]: ...

    def cancel(self) -> None:
        """Ends it. May be called from any thread, and twice."""


class WireFrames:
    """Frames with their pixels in the messages."""

    def __init__(self, call: Any) -> None:
        keep_freed_memory()
        self._call = call

    def __iter__(self) -> Iterator[Frame]:
        return map(read_frame, self._call)

    def cancel(self) -> None:
        """Ends it."""
        self._call.cancel()


def open_frames(connection: Connection, channel: grpc.Channel, request: pb.StreamBatchesRequest) -> FrameSource:
    """Asks for a stream, without waiting for an answer."""
    if connection.may_share_memory:
        return SharedFrames(connection, channel, request)
    return WireFrames(connection.stream_batches(channel, request))
