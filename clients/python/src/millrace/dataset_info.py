"""What a server says of a split."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from millrace.errors import MillraceError
from millrace.v1 import batch_pb2 as pb


class ClassLabel(NamedTuple):
    """A class: a stable identifier, such as a WordNet id, and words for people."""

    id: str
    name: str


@dataclass(frozen=True)
class DatasetInfo:
    """The facts of one split."""

    dataset: str
    split: str
    #: Hash over the content and the shape: the same content is the same version, wherever it was made.
    version: str
    num_samples: int
    #: Of a stored sample in pixels, before any crop.
    height: int
    width: int
    channels: int
    #: By label.
    classes: tuple[ClassLabel, ...] = field(repr=False)
    #: Samples by label; empty when they were not counted as the split was prepared.
    class_counts: tuple[int, ...] = field(repr=False)
    #: Mean image, float32 [C, H, W], in B, G, R order.
    mean_image: NDArray[np.float32] = field(repr=False)
    #: Mean and standard deviation per channel in grey levels, float32 [C], in B, G, R order.
    channel_mean: NDArray[np.float32] = field(repr=False)
    channel_std: NDArray[np.float32] = field(repr=False)


def dataset_info(response: pb.GetDatasetResponse) -> DatasetInfo:
    """Raises ERR_VERIFICATION when the mean image is not of the split's shape."""
    split, mean = response.split, response.mean
    shape = (split.channels, split.height, split.width)
    image = np.frombuffer(mean.image, dtype="<f4")
    if image.size != np.prod(shape):
        raise MillraceError(
            "ERR_VERIFICATION",
            f"the mean image of {split.dataset}/{split.split} has {image.size} values, its samples have shape {shape}",
        )
    return DatasetInfo(
        dataset=split.dataset,
        split=split.split,
        version=split.version,
        num_samples=split.num_samples,
        height=split.height,
        width=split.width,
        channels=split.channels,
        classes=tuple(ClassLabel(label.id, label.name) for label in response.labels),
        class_counts=tuple(response.class_counts),
        mean_image=image.reshape(shape),
        channel_mean=np.array(mean.channel_mean, dtype=np.float32),
        channel_std=np.array(mean.channel_std, dtype=np.float32),
    )
