"""The iterator over batches that a trainer holds."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any

from millrace.assembly import Assembly
from millrace.batch import Batch, BatchMaker
from millrace.buffers import Allocate, allocate_pages
from millrace.connection import refuse_after_fork
from millrace.dataset_info import DatasetInfo
from millrace.errors import MillraceError, UsageError
from millrace.failover import Failover
from millrace.lane import Lane
from millrace.mean import MeanSubtractor
from millrace.options import Position, StreamOptions
from millrace.run_state import position_of, run_state

#: Makes the way from server to server for one lane, given the lane's number and a wait that a close cuts short.
MakeFailover = Callable[[int, Callable[[float], object]], Failover]


class Stream(Iterator[Batch]):
    """Batches in order, received ahead of time by threads of its own from the first `next` on.

    Ends by itself after the epochs asked for; stops when closed, left as a context manager, let go of, or at the interpreter's
    exit, and no thread is left. `next` may be called from one thread at a time.
    """

    def __init__(
        self,
        options: StreamOptions,
        infos: Sequence[DatasetInfo],
        make_failover: MakeFailover,
        allocate: Allocate = allocate_pages,
    ) -> None:
        #: The facts of the split, the first one of several; its mean is the one that is subtracted.
        self.info = info = infos[0]
        #: Samples of an epoch, those of all splits and selections together.
        self.samples_per_epoch = sum(
            source.num_samples(one) for source, one in zip(options.sources, infos, strict=True)
        )
        self._versions = [one.version for one in infos]
        self._make_failover = make_failover
        self._options = options
        self._position = self._normal(options.start)
        transform = options.transform
        side = transform.crop_size
        height, width = (info.height, info.width) if side is None else (side, side)
        #: [H, W, C] or [C, H, W] of one sample of `Batch.images`.
        self.sample_shape = (
            (height, width, info.channels) if transform.layout == "NHWC" else (info.channels, height, width)
        )
        #: Knows the mean; `Batch.normalized` uses it.
        self.subtractor = MeanSubtractor(transform, info)
        self._maker = BatchMaker(
            options.num_pictures,
            self.sample_shape,
            self.subtractor,
            allocate,
            num_classes=len(info.classes),
            smoothing=options.labels.smoothing,
        )
        self._receiver: _Receiver | None = None
        self._let_go: weakref.finalize[Any, Any] | None = None
        self._is_closed = False

    @property
    def options(self) -> StreamOptions:
        """What was asked for, complete."""
        return self._options

    @property
    def position(self) -> Position:
        """The batch that `next` gives next."""
        return self._position

    def num_steps(self, epoch: int = 0) -> int:
        """Steps of an epoch, the same on each rank; only with `wrap` epochs may differ, by one."""
        return self._options.order(self.samples_per_epoch).num_steps(epoch)

    def __next__(self) -> Batch:
        """The next batch. Raises MillraceError when no server can serve it: another `next` then tries again; ERR_CLOSED on a closed
        stream or in a forked process.
        """
        refuse_after_fork()
        if self._is_closed:
            raise MillraceError("ERR_CLOSED", "this stream was closed; open another one with client.stream(…)")
        if self._receiver is None:
            self._receiver = self._start()
        try:
            batch = self._receiver.assembly.take()
        except Exception:
            self._halt()
            raise
        if batch is None:
            if self._is_closed:
                raise MillraceError("ERR_CLOSED", "this stream was closed while a batch was waited for")
            raise StopIteration
        self._position = batch.next_position
        return batch

    def seek(self, position: Position) -> None:
        """Goes on at another batch; what was received ahead is thrown away. Raises UsageError when the step is past the end."""
        position = self._normal(position)
        if position != self._position:
            self._halt()
            self._position = position

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint has to keep: the address of the next batch, and what it depends on. Numbers and strings."""
        return self.state_at(self._position)

    def state_at(self, position: Position) -> dict[str, Any]:
        """The state of a stream that goes on at that batch."""
        return run_state(self._options, self._versions, position)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where the state was taken, also with another world size or batch.

        Raises UsageError naming what does not fit, ERR_VERSION_CHANGED when the servers have other data now.
        """
        self.seek(position_of(state, self._options, self._versions))

    def close(self) -> None:
        """Stops receiving; no thread is left. May be called twice. Batches that were handed out stay valid."""
        self._is_closed = True
        self._halt()

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _normal(self, position: Position) -> Position:
        num_steps = self.num_steps(position.epoch)
        if num_steps == 0:
            raise UsageError(
                "batch_size",
                f"a global batch of {self._options.global_batch_size} is larger than the {self.samples_per_epoch} samples of "
                f"{self._options.names}; make it smaller, or take end_of_epoch='pad'",
            )
        if position.step > num_steps:
            raise UsageError("step", f"epoch {position.epoch} has {num_steps} steps, got {position.step}")
        # Just past the end is where a run stands after an epoch: it means the next one.
        return Position(position.epoch + 1, 0) if position.step == num_steps else position

    def _start(self) -> _Receiver:
        options = replace(self._options, start=self._position)
        receiver = _Receiver(options, self._versions, self._maker, self._make_failover)
        # Also at exit, and it must not hold the stream itself.
        self._let_go = weakref.finalize(self, receiver.let_go)
        return receiver

    def _halt(self) -> None:
        if self._receiver is not None and self._let_go is not None:
            self._let_go.detach()
            self._receiver.stop()
        self._receiver = self._let_go = None


class _Receiver:
    """The threads of a stream from one start on."""

    def __init__(
        self, options: StreamOptions, versions: Sequence[str], maker: BatchMaker, make_failover: MakeFailover
    ) -> None:
        max_batches = max(2, options.prefetch_bytes // maker.num_bytes)
        self.assembly = Assembly(maker, options.connections, max_batches)
        self._stopped = threading.Event()
        self._pid = os.getpid()
        self._lanes = [
            Lane(lane, options, versions, self.assembly, make_failover(lane, self._stopped.wait))
            for lane in range(options.connections)
        ]
        for lane in self._lanes:
            lane.start()

    def stop(self) -> None:
        """Ends all threads and waits for them. In a forked process there are none."""
        if os.getpid() == self._pid:
            self._cancel()
            for lane in self._lanes:
                # `on_reconnect` may close its stream.
                if lane is not threading.current_thread():
                    lane.join()

    def let_go(self) -> None:
        """`stop` when the stream is garbage, or the interpreter ends. Garbage is collected in any thread, also in one of gRPC's that the
        others need to come to their end: only the main one waits.
        """
        if threading.current_thread() is threading.main_thread():
            self.stop()
        elif os.getpid() == self._pid:
            self._cancel()

    def _cancel(self) -> None:
        self._stopped.set()
        self.assembly.close()
        for lane in self._lanes:
            lane.cancel()
