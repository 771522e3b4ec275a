"""One receiving thread: a connection that brings an equal part of each batch, going on elsewhere when its server is gone."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from millrace.assembly import Assembly
from millrace.errors import MillraceError
from millrace.failover import Failover
from millrace.frame import Frame
from millrace.frame_source import FrameSource, open_frames
from millrace.options import Position, StreamOptions
from millrace.order.id_digest import IdDigest
from millrace.part import Part
from millrace.shared_frames import SharingRefusedError
from millrace.wire_request import wire_request


class Lane(threading.Thread):
    """Fills rows [lane · n, (lane + 1) · n) of each batch from the start position on, n = pictures of a batch / connections."""

    def __init__(
        self, lane: int, options: StreamOptions, versions: Sequence[str], assembly: Assembly, failover: Failover
    ) -> None:
        # A daemon, so that a stream that nobody closed does not keep the interpreter: it is closed at exit, before daemons end.
        super().__init__(name=f"millrace-lane-{lane}", daemon=True)
        self._lane = lane
        self._options = options
        self._versions = versions
        self._assembly = assembly
        self._failover = failover
        self._num_rows = options.num_pictures // options.connections
        self._position = options.start
        #: The batch at `_position`, counted from the first one of the assembly.
        self._number = 0
        self._source: FrameSource | None = None
        self._is_cancelled = False
        self._is_through = False

    def cancel(self) -> None:
        """Makes the thread end soon. May be called from any thread, and twice."""
        self._is_cancelled = True
        source = self._source
        if source is not None:
            source.cancel()

    def run(self) -> None:
        """Receives until the end, a cancel, or an error that no other server can mend."""
        try:
            while not (self._is_cancelled or self._is_through or self._is_at_end()):
                try:
                    self._read_stream()
                except Exception as error:
                    if not self._is_cancelled:
                        self._failover.failed(error)
            self._assembly.end()
        except Exception as error:
            self._assembly.fail(error)

    def _read_stream(self) -> None:
        connection = self._failover.connection
        with connection.open_channel() as channel:
            request = wire_request(self._options, self._position, self._versions, self._lane)
            self._source = source = open_frames(connection, channel, request)
            try:
                if not self._is_cancelled:
                    # A server with nothing to send is through: the last epochs may be without a step.
                    self._is_through = not self._read_frames(source)
            except SharingRefusedError:
                # Then over the socket.
                connection.may_share_memory = False
                return
            finally:
                # Also when the reader stopped early: frees what the server holds for this stream.
                source.cancel()
                # A call that is deleted only as the interpreter ends may wait for a lock of gRPC's thread, which has stopped by then.
                self._source = None
        if not (self._is_cancelled or self._is_through or self._is_at_end()):
            raise MillraceError(
                "ERR_UNAVAILABLE", f"server {connection.server} ended the stream early", is_retryable=True
            )

    def _read_frames(self, frames: Iterable[Frame]) -> bool:
        """Whether any came."""
        has_come = False
        digest = IdDigest()
        part: Part | None = None
        for frame in frames:
            has_come = True
            if part is None:
                batch = self._assembly.claim(self._number)
                if batch is None:
                    return True
                first_row = self._lane * self._num_rows
                part = Part(batch, slice(first_row, first_row + self._num_rows), self._position)
            is_whole = part.take(frame)
            frame.taken()
            if is_whole:
                digest.add(part.valid_ids())
                self._finish(frame, digest)
                if frame.header.is_last_step:
                    digest = IdDigest()
                part = None
        return has_come

    def _finish(self, frame: Frame, digest: IdDigest) -> None:
        header = frame.header
        if header.is_last_step and header.epoch_digest != digest.hex():
            raise MillraceError(
                "ERR_VERIFICATION",
                f"server {self._failover.connection.server} says it sent other samples of epoch {header.epoch} than came: "
                f"digest {header.epoch_digest} there, {digest.hex()} here ({digest.count} samples)",
            )
        self._assembly.finish(self._number)
        self._failover.progressed()
        self._number += 1
        epoch, step = self._position
        self._position = Position(epoch + 1, 0) if header.is_last_step else Position(epoch, step + 1)

    def _is_at_end(self) -> bool:
        end_epoch = self._options.end_epoch
        return end_epoch is not None and self._position.epoch >= end_epoch
