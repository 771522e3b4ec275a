"""Frames out of a server's memory, on the same machine: only their headers are sent."""

from __future__ import annotations

import mmap
import os
import queue
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import grpc
import numpy as np
from numpy.typing import NDArray

from millrace.connection import Connection
from millrace.errors import MillraceError
from millrace.frame import Frame
from millrace.v1 import batch_pb2 as pb

_ONE_TAKEN: Final = pb.StreamSharedBatchesRequest(num_taken=1).SerializeToString()


class SharingRefusedError(Exception):
    """Raised when the server shares no memory, or this process may not read it: another user, another container."""


class SharedFrames:
    """One stream of StreamSharedBatches. The server writes a frame's memory again when it has been told that it was taken."""

    def __init__(self, connection: Connection, channel: grpc.Channel, request: pb.StreamBatchesRequest) -> None:
        self._server = connection.server
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._requests.put(pb.StreamSharedBatchesRequest(open=request).SerializeToString())
        self._call: Any = connection.stream_shared_batches(channel, iter(self._requests.get, None))

    def __iter__(self) -> Iterator[Frame]:
        memory = self._open()
        for message in self._call:
            place = pb.SharedFrame.FromString(message)
            pixels = memory[place.pixels_at : place.pixels_at + place.num_pixel_bytes]
            yield Frame(pb.BatchFrame.FromString(place.header), pixels, partial(self._taken, memory, place))

    def cancel(self) -> None:
        """Ends it. May be called from any thread, and twice."""
        self._call.cancel()
        # gRPC's thread that sends them.
        self._requests.put(None)

    def _open(self) -> NDArray[np.uint8]:
        try:
            return _open_memory(pb.SharedFrame.FromString(next(self._call)).memory)
        except OSError as error:
            raise SharingRefusedError from error
        except grpc.RpcError as error:
            if isinstance(error, grpc.Call) and error.code() is grpc.StatusCode.UNIMPLEMENTED:
                raise SharingRefusedError from error
            raise

    def _taken(self, memory: NDArray[np.uint8], place: pb.SharedFrame) -> None:
        header = place.header
        if memory[place.header_at : place.header_at + len(header)].tobytes() != header:
            # It took this process for dead, as when that was stopped for long.
            raise MillraceError(
                "ERR_UNAVAILABLE", f"server {self._server} took its memory back while it was read", is_retryable=True
            )
        self._requests.put(_ONE_TAKEN)


def _open_memory(memory: pb.SharedMemory) -> NDArray[np.uint8]:
    """The memory, for reading. Raises OSError when it cannot be had, or is not the one meant."""
    descriptor = os.open(memory.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if (
            os.fstat(descriptor).st_size != memory.num_bytes
            or os.pread(descriptor, len(memory.nonce), 0) != memory.nonce
        ):
            raise OSError(f"{memory.path} is another file than the server's")
        return np.frombuffer(mmap.mmap(descriptor, memory.num_bytes, access=mmap.ACCESS_READ), np.uint8)
    finally:
        os.close(descriptor)
