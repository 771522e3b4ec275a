"""What a stream is asked for, checked once, where it comes in."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from millrace.errors import UsageError
from millrace.order.batch_plan import EndOfEpoch, Order, Shuffle

CropMode = Literal["random", "center", "random_resized"]
MeanMode = Literal["image", "channel", "none", "values"]
WireDtype = Literal["uint8", "float32"]
Layout = Literal["NHWC", "NCHW"]
ChannelOrder = Literal["BGR", "RGB"]


class Position(NamedTuple):
    """The address of the next batch wanted: with the seed, all that a run has to keep to go on where it stopped."""

    epoch: int
    step: int


@dataclass(frozen=True)
class ColorJitter:
    """How far each step may go, in an order drawn for the sample; 0 leaves it out."""

    #: Factor of [1 - x, 1 + x], at most 2; so for contrast and saturation.
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    #: Rotation of [-x, x] turns, at most 0.5.
    hue: float = 0.0


@dataclass(frozen=True)
class Transform:
    """What is done to each sample, in this order: crop, color jitter, lighting, mirror; then mean, scale and std in float32.

    `millrace.presets` has the usual ones.
    """

    #: Side of the square crop in pixels; None: the whole sample. With `random_resized`, of the picture that comes out.
    crop_size: int | None = None
    #: `random_resized`: a random part of the image, resized; not with the mean image.
    crop_mode: CropMode = "random"
    #: Mirror left to right, each sample with probability 1/2.
    mirror: bool = False
    #: What is subtracted. `image`: the mean image at the pixel's place in the stored image, as Caffe does; `channel`: one value a channel,
    #: the split's; `values`: `mean_values`.
    mean: MeanMode = "image"
    #: Factor after the subtraction.
    scale: float = 1.0
    #: On the wire. `uint8`, a quarter of the bytes: pixels as stored, and the mean is subtracted at this end; `float32`: by the server.
    dtype: WireDtype = "uint8"
    layout: Layout = "NHWC"
    channel_order: ChannelOrder = "BGR"
    #: Grey levels per channel in B, G, R order whatever the channel order; one for all channels, or one each.
    mean_values: tuple[float, ...] = ()
    #: Divisors after the subtraction, in grey levels, as `mean_values`; empty: none.
    std: tuple[float, ...] = ()
    #: `random_resized`: share of the image's area that is taken, and width : height of what is taken, each from least to most.
    area: tuple[float, float] = (0.08, 1.0)
    aspect_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    color_jitter: ColorJitter = ColorJitter()
    #: Standard deviation of the draws along the principal components of ImageNet's colors (AlexNet: 0.1), at most 1.
    lighting: float = 0.0

    def __post_init__(self) -> None:
        if self.crop_size is not None:
            check_integer("transform.crop_size", self.crop_size, 1)
        if not math.isfinite(self.scale) or self.scale == 0:
            raise UsageError("transform.scale", f"expected a finite number other than 0, got {self.scale}")
        check_choice("transform.crop_mode", self.crop_mode, CropMode)
        check_choice("transform.mean", self.mean, MeanMode)
        check_choice("transform.dtype", self.dtype, WireDtype)
        check_choice("transform.layout", self.layout, Layout)
        check_choice("transform.channel_order", self.channel_order, ChannelOrder)
        if bool(self.mean_values) != (self.mean == "values"):
            raise UsageError(
                "transform.mean_values", f"expected with mean='values' and only then, got {self.mean_values}"
            )


@dataclass(frozen=True)
class StreamOptions:
    """A stream's options, complete and each in its range; `Client.stream` says what they mean."""

    dataset: str
    split: str
    batch_size: int
    rank: int
    world_size: int
    seed: int
    #: The first epoch that is not asked for; None: there is none.
    end_epoch: int | None
    shuffle: Shuffle
    end_of_epoch: EndOfEpoch
    transform: Transform
    mean_of: tuple[str, str] | None
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
        if self.rank >= self.world_size:
            raise UsageError("rank", f"expected a number below world_size {self.world_size}, got {self.rank}")
        if self.batch_size % self.connections:
            raise UsageError(
                "connections",
                f"expected a divisor of batch_size {self.batch_size}, as each connection brings an equal part of each batch; "
                f"got {self.connections}",
            )

    @property
    def global_batch_size(self) -> int:
        """Samples of one step over all ranks."""
        return self.batch_size * self.world_size

    def order(self, num_samples: int) -> Order:
        """The order of the samples of a split of that many."""
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


def check_integer(field: str, value: object, least: int, most: int | None = None) -> None:
    """Raises UsageError unless `value` is a whole number in [least, most]."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= least and (most is None or value <= most):
        return
    limit = "" if most is None else f" and at most {most}"
    raise UsageError(field, f"expected a whole number of at least {least}{limit}, got {value!r}")


def check_choice(field: str, value: object, choices: object) -> None:
    """Raises UsageError unless `value` is one of the Literal `choices`."""
    if value not in get_args(choices):
        raise UsageError(field, f"expected one of {', '.join(map(repr, get_args(choices)))}, got {value!r}")


class ReconnectEvent(NamedTuple):
    """Why a stream had to go on elsewhere or later; for logs."""

    server: str
    reason: str
    wait_seconds: float


OnReconnect = Callable[[ReconnectEvent], None]
