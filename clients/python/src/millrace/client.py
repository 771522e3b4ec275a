"""The way in: `connect`, then streams of batches."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TypeVar

from millrace.buffers import Allocate, allocate_pages
from millrace.checks import check_integer
from millrace.connection import Connection, connections_to
from millrace.dataset_info import DatasetInfo, dataset_info
from millrace.errors import UsageError
from millrace.failover import Failover
from millrace.options import (
    LabelOptions,
    OnReconnect,
    Position,
    StreamOptions,
    world_of_environment,
)
from millrace.order.batch_plan import EndOfEpoch, Shuffle
from millrace.selection import BlockShape, Selection, Source
from millrace.stream import Stream
from millrace.tls import Tls
from millrace.transform import Transform

_Answer = TypeVar("_Answer")

#: Six batches of 256 images of 227 × 227: enough to ride out a garbage collection or a reconnect, little beside a trainer's own.
DEFAULT_PREFETCH_BYTES = 256 << 20


def connect(
    servers: str | Sequence[str],
    *,
    token: str | None = None,
    tls: Tls | None = None,
    give_up_seconds: float = 60.0,
    on_reconnect: OnReconnect | None = None,
) -> Client:
    """A client of batch servers, any of which may serve any batch; connects when first used.

    servers: `host:port` or `unix:/path`, one or several; the first one is tried first.
    token: sent as a bearer token with each call; over a network only with `tls`.
    tls: how to trust the servers; None: no TLS.
    give_up_seconds: for how long servers that do not answer are tried again before a call or stream fails.
    on_reconnect: called from a receiving thread when a stream has to go on elsewhere or later; for logs.

    Raises UsageError when there is no server, or a token would travel in plain text.
    """
    return Client(connections_to(servers, tls, token), give_up_seconds, on_reconnect)


class Client:
    """Made by `connect`. Holds no connection open itself; its streams do."""

    def __init__(
        self, connections: Sequence[Connection], give_up_seconds: float, on_reconnect: OnReconnect | None
    ) -> None:
        self._connections = connections
        self._give_up_seconds = give_up_seconds
        self._on_reconnect = on_reconnect
        self._streams: weakref.WeakSet[Stream] = weakref.WeakSet()

    def datasets(self) -> list[tuple[str, str]]:
        """The (dataset, split) pairs of the first server that answers. Raises ERR_UNAVAILABLE when none does."""
        response = self._ask(lambda connection: connection.list_datasets())
        return [(split.dataset, split.split) for split in response.splits]

    def dataset(self, dataset: str, split: str) -> DatasetInfo:
        """Facts of a split, from the first server that answers. Raises ERR_NOT_FOUND, ERR_UNAVAILABLE."""
        return dataset_info(self._ask(lambda connection: connection.get_dataset(dataset, split)))

    def stream(
        self,
        dataset: str,
        split: str,
        batch_size: int,
        *,
        rank: int | None = None,
        world_size: int | None = None,
        seed: int = 0,
        epochs: int | None = None,
        start: tuple[int, int] = (0, 0),
        shuffle: Shuffle = "full",
        blocks: BlockShape | None = None,
        selection: Selection | None = None,
        weight: int | None = None,
        mix_with: Sequence[Source] = (),
        end_of_epoch: EndOfEpoch = "drop",
        transform: Transform | None = None,
        mean_of: tuple[str, str] | None = None,
        labels: LabelOptions | None = None,
        connections: int = 1,
        prefetch_bytes: int = DEFAULT_PREFETCH_BYTES,
        allocate: Allocate = allocate_pages,
    ) -> Stream:
        """An iterator over the batches of one rank, epoch after epoch.

        batch_size: samples of this rank's batch; the global batch is `world_size` times as large.
        rank, world_size: this trainer's part of each global batch; None: RANK and WORLD_SIZE of the environment, else 0 of 1.
        seed: key of the shuffle and of the augmentation, [0, 2^53).
        epochs: how many to go through, the one of `start` included; None: until the stream is closed.
        start: (epoch, step) of the first batch.
        shuffle: `full`: another uniform permutation each epoch; `blocks`: blocks of neighbouring samples and what is in them, for slow
            disks; `none`: as stored.
        blocks: the grain of shuffle `blocks`; None: 128 blocks of 64 samples are shuffled into each other.
        selection: which samples of the split take part, and how often; None: all, each once an epoch.
        weight: how often the split's samples come, relative to those of `mix_with`; None: by the numbers of samples, then in none of them.
        mix_with: other splits, interleaved with this one; their samples must have its shape. Their sample ids follow on this split's, one
            split after the other; the mean is this split's, labels are each split's own.
        end_of_epoch: `drop` leaves the last, partial batch out; `pad` fills it by repeating, marked in `Batch.is_valid`; `wrap` lets
            batches run across epochs. Each rank always gets the same number of steps.
        transform: crop, mirror, mean, dtype on the wire, layout; None: the whole sample less the mean image.
        mean_of: (dataset, split) whose mean is subtracted, such as the train split of what is tested; None: this split's own.
        labels: how labels come; None: as indices, and with `mixing` as rows of probabilities too (`Batch.targets`).
        connections: TCP connections, each bringing an equal part of each batch from a server of its own, if there are several. One
            carries about 1 GB/s; more help where TLS or a long way binds.
        prefetch_bytes: how much to receive ahead, at least two batches. On a long way: rate × round trip, and more.
        allocate: gives the batches' memory, such as pinned one.

        Raises UsageError naming the argument, ERR_NOT_FOUND when the servers do not have the split, ERR_UNAVAILABLE.
        """
        rank, world_size = world_of_environment(rank, world_size)
        if len(start) != 2:
            raise UsageError("start", f"expected (epoch, step), got {start!r}")
        if epochs is not None:
            check_integer("epochs", epochs, 1)
        options = StreamOptions(
            sources=(Source(dataset, split, weight, selection), *mix_with),
            batch_size=batch_size,
            rank=rank,
            world_size=world_size,
            seed=seed,
            end_epoch=None if epochs is None else start[0] + epochs,
            shuffle=shuffle,
            blocks=blocks,
            end_of_epoch=end_of_epoch,
            transform=transform or Transform(),
            mean_of=mean_of,
            labels=labels or LabelOptions(),
            start=Position(*start),
            connections=connections,
            prefetch_bytes=prefetch_bytes,
        )
        infos = [self.dataset(source.dataset, source.split) for source in options.sources]
        if mean_of is not None:
            other = self.dataset(*mean_of)
            infos[0] = replace(
                infos[0], mean_image=other.mean_image, channel_mean=other.channel_mean, channel_std=other.channel_std
            )
        stream = Stream(options, infos, self._failover, allocate)
        self._streams.add(stream)
        return stream

    def close(self) -> None:
        """Closes all streams; no thread and no connection is left."""
        for stream in list(self._streams):
            stream.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _failover(self, first: int, wait: Callable[[float], object]) -> Failover:
        return Failover(
            self._connections,
            first=first,
            give_up_seconds=self._give_up_seconds,
            on_reconnect=self._on_reconnect,
            wait=wait,
        )

    def _ask(self, question: Callable[[Connection], _Answer]) -> _Answer:
        failover = self._failover(0, time.sleep)
        while True:
            try:
                return question(failover.connection)
            except Exception as error:
                failover.failed(error)
