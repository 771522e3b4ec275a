"""What a stream is asked for, checked once, where it comes in."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypedDict

from millrace.checks import check_choice, check_integer
from millrace.errors import UsageError
from millrace.order.batch_plan import EndOfEpoch, Order, Shuffle
from millrace.selection import BlockShape, Selection, Source
from millrace.transform import Transform

LabelFormat = Literal["index", "one-hot"]


class Position(NamedTuple):
    """The address of the next batch wanted: with the seed, all that a run has to keep to go on where it stopped."""

    epoch: int
    step: int


@dataclass(frozen=True)
class LabelOptions:
    """How the batches' labels come."""

    #: `one-hot`: rows of probabilities too. None: `index`, or `one-hot` when there is something to smooth or to mix.
    format: LabelFormat | None = None
    #: Probability spread over all classes, [0, 1).
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        if self.format is not None:
            check_choice("labels.format", self.format, LabelFormat)
        if not 0 <= self.smoothing < 1:
            raise UsageError("labels.smoothing", f"expected a number of [0, 1), got {self.smoothing}")

    def is_soft(self, transform: Transform) -> bool:
        """Whether rows of probabilities are wanted. Raises UsageError when an index is, and would have to be smoothed or mixed."""
        must = self.smoothing > 0 or transform.is_mixed
        if self.format == "index" and must:
            raise UsageError(
                "labels.format", "expected 'one-hot', as an index cannot be smoothed or mixed, got 'index'"
            )
        return must or self.format == "one-hot"


class StreamArguments(TypedDict, total=False):
    """What `Client.stream` and the batch streams of PyTorch and JAX take alike; `Client.stream` says what they mean."""

    seed: int
    epochs: int | None
    shuffle: Shuffle
    blocks: BlockShape | None
    selection: Selection | None
    weight: int | None
    mix_with: Sequence[Source]
    end_of_epoch: EndOfEpoch
    mean_of: tuple[str, str] | None
    labels: LabelOptions | None
    connections: int
    prefetch_bytes: int


@dataclass(frozen=True)
class StreamOptions:
    """A stream's options, complete and each in its range; `Client.stream` says what they mean."""

    #: The split and those that it is mixed with.
    sources: tuple[Source, ...]
    batch_size: int
    rank: int
    world_size: int
    seed: int
    #: The first epoch that is not asked for; None: there is none.
    end_epoch: int | None
    shuffle: Shuffle
    blocks: BlockShape | None
    end_of_epoch: EndOfEpoch
    transform: Transform
    mean_of: tuple[str, str] | None
    labels: LabelOptions
    start: Position
    connections: int
    prefetch_bytes: int

    def __post_init__(self) -> None:
        check_integer("batch_size", self.batch_size, 1)
        check_integer("world_size", self.world_size, 1)
        check_integer("rank", self.rank, 0)
        check_integer("seed", self.seed, 0, (1 << 53) - 1)
        check_integer("start.epoch", self.start.epoch, 0)
        check_integer("start.step", self.start.step, 0)
        check_integer("connections", self.connections, 1)
        check_integer("prefetch_bytes", self.prefetch_bytes, 0)
        check_choice("shuffle", self.shuffle, Shuffle)
        check_choice("end_of_epoch", self.end_of_epoch, EndOfEpoch)
        self.labels.is_soft(self.transform)
        if self.rank >= self.world_size:
            raise UsageError("rank", f"expected a number below world_size {self.world_size}, got {self.rank}")
        if self.batch_size % self.connections:
            raise UsageError(
                "connections",
                f"expected a divisor of batch_size {self.batch_size}, as each connection brings an equal part of each batch; "
                f"got {self.connections}",
            )
        if self.transform.is_mixed and self.batch_size // self.connections % 2:
            raise UsageError(
                "batch_size",
                "transform.mixing needs an even number of samples a connection, as it mixes pairs; "
                f"got {self.batch_size} / {self.connections}",
            )

    @property
    def names(self) -> str:
        """Of the splits, for people."""
        return " + ".join(f"{source.dataset}/{source.split}" for source in self.sources)

    @property
    def global_batch_size(self) -> int:
        """Samples of one step over all ranks."""
        return self.batch_size * self.world_size

    @property
    def num_pictures(self) -> int:
        """Of this rank's batch: as many as it has samples, with ten crops ten of each."""
        return self.batch_size * self.transform.num_views

    def order(self, num_samples: int) -> Order:
        """The order of an epoch of that many samples."""
        return Order(num_samples, self.seed, self.global_batch_size, self.shuffle, self.end_of_epoch)


def world_of_environment(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """Rank and world size: as given, else as torchrun and its like put them into RANK and WORLD_SIZE, else 0 of 1.

    Raises UsageError when only one of the two is given.
    """
    if (rank is None) != (world_size is None):
        raise UsageError("rank", f"give rank and world_size together; got rank {rank}, world_size {world_size}")
    if rank is not None and world_size is not None:
        return rank, world_size
    try:
        return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    except ValueError as error:
        raise UsageError("RANK, WORLD_SIZE", f"expected whole numbers in the environment: {error}") from None


class ReconnectEvent(NamedTuple):
    """Why a stream had to go on elsewhere or later; for logs."""

    server: str
    reason: str
    wait_seconds: float


OnReconnect = Callable[[ReconnectEvent], None]
