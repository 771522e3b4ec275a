"""What is done to each sample on its way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from millrace.checks import check_choice, check_integer
from millrace.errors import UsageError

CropMode = Literal["random", "center", "random_resized", "ten"]
MeanMode = Literal["image", "channel", "none", "values"]
WireDtype = Literal["uint8", "float32", "float16", "bfloat16"]
Layout = Literal["NHWC", "NCHW"]
ChannelOrder = Literal["BGR", "RGB"]


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
class Mixing:
    """Pictures mixed with their partner in the batch, sample 2k with 2k + 1 and the other way round; batches must be even.

    Both set: each sample one or the other, by the toss of a coin.
    """

    #: Parameter of Beta(alpha, alpha), at most 2; 0: no mixup.
    mixup_alpha: float = 0.0
    #: The same for the area of the rectangle that is pasted; 0: no cutmix.
    cutmix_alpha: float = 0.0


@dataclass(frozen=True)
class Transform:
    """What is done to each sample, in this order: crop, color jitter, lighting, mirror; then mean, scale and std in float32; then mixing.

    `millrace.presets` has the usual ones.
    """

    #: Side of the square crop in pixels; None: the whole sample. With `random_resized`, of the picture that comes out.
    crop_size: int | None = None
    #: `random_resized`: a random part of the image, resized; not with the mean image. `ten`: the corners and the center, then the same
    #: mirrored; batches have ten times as many pictures as samples, and ids and labels say so.
    crop_mode: CropMode = "random"
    #: Mirror left to right, each sample with probability 1/2.
    mirror: bool = False
    #: What is subtracted. `image`: the mean image at the pixel's place in the stored image, as Caffe does; `channel`: one value a channel,
    #: the split's; `values`: `mean_values`.
    mean: MeanMode = "image"
    #: Factor after the subtraction.
    scale: float = 1.0
    #: On the wire. `uint8`, a quarter of the bytes: pixels as stored, and the mean is subtracted at this end; the others: by the server.
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
    #: Always done at this end, by `Batch.normalized` and the batches of PyTorch and JAX.
    mixing: Mixing = Mixing()

    @property
    def num_views(self) -> int:
        """Pictures that are made of each sample."""
        return 10 if self.crop_mode == "ten" else 1

    @property
    def is_mixed(self) -> bool:
        """Whether pictures are mixed."""
        return self.mixing.mixup_alpha > 0 or self.mixing.cutmix_alpha > 0

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
