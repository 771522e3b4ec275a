"""Subtracting the mean at this end, where the wire carried uint8: bit for bit what a server that sends float32 has done."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from millrace.dataset_info import DatasetInfo
from millrace.options import Transform


def placed_mean(transform: Transform, info: DatasetInfo) -> NDArray[np.float32]:
    """What is subtracted, in the layout and channel order that the pixels have.

    `image`: [H, W, C] or [C, H, W] of the stored size, to be cropped and mirrored as the sample was; else it broadcasts
    against a batch: [C] or [C, 1, 1]. Zeros for `none`.
    """
    mean = np.zeros_like(info.channel_mean) if transform.mean == "none" else info.channel_mean
    planes = info.mean_image if transform.mean == "image" else mean.reshape(-1, 1, 1)
    if transform.channel_order == "RGB":
        planes = planes[::-1]
    if transform.layout == "NCHW":
        return np.ascontiguousarray(planes)
    placed = planes.transpose(1, 2, 0)
    return np.ascontiguousarray(placed if transform.mean == "image" else placed[0, 0])


class MeanSubtractor:
    """Subtracts the mean from a batch of pixels that have been cropped, mirrored and laid out, and scales them."""

    def __init__(self, transform: Transform, info: DatasetInfo) -> None:
        self.transform = transform
        #: See `placed_mean`.
        self.mean = placed_mean(transform, info)
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
        if self.transform.scale != 1:
            target *= np.float32(self.transform.scale)
        return target

    def _window(self, y: int, x: int, height: int, width: int, *, mirrored: bool) -> NDArray[np.float32]:
        if self._rows_axis == 0:
            window = self.mean[y : y + height, x : x + width]
            return window[:, ::-1] if mirrored else window
        window = self.mean[:, y : y + height, x : x + width]
        return window[:, :, ::-1] if mirrored else window
