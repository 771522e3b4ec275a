"""Subtracting the mean at this end, where the wire carried uint8: bit for bit what a server that sends float32 has done."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from millrace.dataset_info import DatasetInfo
from millrace.errors import UsageError
from millrace.transform import Transform


def placed_mean(transform: Transform, info: DatasetInfo) -> NDArray[np.float32]:
    """What is subtracted, in the layout and channel order that the pixels have.

    `image`: [H, W, C] or [C, H, W] of the stored size, to be cropped and mirrored as the sample was; else it broadcasts
    against a batch: [C] or [C, 1, 1]. Zeros for `none`.
    """
    if transform.mean == "image":
        planes = info.mean_image[::-1] if transform.channel_order == "RGB" else info.mean_image
        return np.ascontiguousarray(planes if transform.layout == "NCHW" else planes.transpose(1, 2, 0))
    values: ArrayLike = (0.0,)
    if transform.mean != "none":
        values = info.channel_mean if transform.mean == "channel" else transform.mean_values
    return _per_channel("transform.mean_values", values, transform, info.channels)


def placed_factor(transform: Transform, info: DatasetInfo) -> NDArray[np.float32] | None:
    """What the difference is multiplied by, scale / std, rounded to float32 once; it broadcasts against a batch. None: by 1."""
    if not transform.std and transform.scale == 1:
        return None
    std = _per_channel("transform.std", transform.std or (1.0,), transform, info.channels)
    factor: NDArray[np.float32] = np.float32(transform.scale) / std
    return factor


def _per_channel(field: str, values: ArrayLike, transform: Transform, channels: int) -> NDArray[np.float32]:
    """Values of B, G, R in the place that channels have, [C] or [C, 1, 1]. Raises UsageError unless there is one, or one each."""
    given = np.atleast_1d(np.asarray(values, dtype=np.float32))
    if given.shape not in ((1,), (channels,)):
        raise UsageError(field, f"expected one value, or one for each of {channels} channels, got {given.tolist()}")
    placed = np.broadcast_to(given, (channels,))[:: -1 if transform.channel_order == "RGB" else 1]
    return np.ascontiguousarray(placed if transform.layout == "NHWC" else placed.reshape(-1, 1, 1))


class MeanSubtractor:
    """Subtracts the mean from a batch of pixels that have been cropped, mirrored and laid out, and multiplies them by scale / std."""

    def __init__(self, transform: Transform, info: DatasetInfo) -> None:
        self.transform = transform
        #: See `placed_mean`.
        self.mean = placed_mean(transform, info)
        #: See `placed_factor`.
        self.factor = placed_factor(transform, info)
        self._rows_axis = 0 if transform.layout == "NHWC" else 1

    def subtract(
        self,
        images: NDArray[np.uint8],
        crop_y: NDArray[np.int32],
        crop_x: NDArray[np.int32],
        is_mirrored: NDArray[np.bool_],
        out: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """float32 of the shape of `images`; the rest are [N]. Writes to `out` when it is given."""
        target = np.empty(images.shape, dtype=np.float32) if out is None else out
        if self.transform.mean == "image":
            height, width = images.shape[1:3] if self._rows_axis == 0 else images.shape[2:4]
            for i, (y, x) in enumerate(zip(crop_y.tolist(), crop_x.tolist(), strict=True)):
                window = self._window(y, x, height, width, mirrored=bool(is_mirrored[i]))
                np.subtract(images[i], window, out=target[i], dtype=np.float32)
        else:
            np.subtract(images, self.mean, out=target, dtype=np.float32)
        if self.factor is not None:
            target *= self.factor
        return target

    def _window(self, y: int, x: int, height: int, width: int, *, mirrored: bool) -> NDArray[np.float32]:
        if self._rows_axis == 0:
            window = self.mean[y : y + height, x : x + width]
            return window[:, ::-1] if mirrored else window
        window = self.mean[:, y : y + height, x : x + width]
        return window[:, :, ::-1] if mirrored else window
