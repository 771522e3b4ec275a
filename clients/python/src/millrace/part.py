"""One connection's part of a batch, frame by frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from millrace.batch import Batch
from millrace.errors import MillraceError
from millrace.frame import FLAG_MIRRORED, FLAG_PADDING, Frame
from millrace.options import Position


class Part:
    """Fills the `rows` of a batch. A frame's pixels are copied once, to where they stay."""

    def __init__(self, batch: Batch, rows: slice, position: Position) -> None:
        self._batch = batch
        self._rows = rows
        self._num_samples = rows.stop - rows.start
        self._position = position
        images = batch.images[rows]
        self._sample_shape = images.shape[1:]
        self._pixels = images.reshape(-1).view(np.uint8)
        self._sample_bytes = self._pixels.size // self._num_samples
        # Lists until the part is whole: one conversion a batch costs less than one a frame.
        self._labels: list[int] = []
        self._ids: list[int] = []
        self._crop_y: list[int] = []
        self._crop_x: list[int] = []
        self._flags = bytearray()
        self._own_share: list[float] = []
        self._box: list[tuple[int, int, int, int]] = []

    def take(self, frame: Frame) -> bool:
        """Takes the next frame; True when it was the last one of this part.

        Raises ERR_VERIFICATION when it is not the frame that has to follow.
        """
        header, pixels, _ = frame
        taken, count = len(self._ids), len(header.ids)
        fits = (
            (header.epoch, header.step) == self._position
            and header.first_sample == taken
            and header.batch_size == self._num_samples
            and tuple(header.sample_shape) == self._sample_shape
            and pixels.size == count * self._sample_bytes
            and 0 < count <= self._num_samples - taken
            and len(header.labels) == len(header.crop_y) == len(header.crop_x) == len(header.flags) == count
            and len(header.mix) == (0 if self._batch.mix is None else count)
        )
        if not fits:
            raise MillraceError(
                "ERR_VERIFICATION",
                f"a frame that does not follow: {count} samples from {header.first_sample} of {header.batch_size} with shape "
                f"{tuple(header.sample_shape)} and {pixels.size} bytes, of epoch {header.epoch}, step {header.step}; expected "
                f"sample {taken} of {self._num_samples} with shape {self._sample_shape}, of epoch {self._position.epoch}, "
                f"step {self._position.step}",
                is_retryable=True,
            )
        self._pixels[taken * self._sample_bytes : (taken + count) * self._sample_bytes] = pixels
        self._ids += header.ids
        self._labels += header.labels
        self._crop_y += header.crop_y
        self._crop_x += header.crop_x
        self._flags += header.flags
        for plan in header.mix:
            self._own_share.append(plan.own_share)
            self._box.append((plan.top, plan.left, plan.bottom, plan.right))
        if taken + count < self._num_samples:
            return False
        self._write_down(is_last_step=header.is_last_step)
        return True

    def valid_ids(self) -> NDArray[np.int64]:
        """Ids of the part's samples that are not padding. Only once it is whole."""
        return self._batch.ids[self._rows][self._batch.is_valid[self._rows]]

    def _write_down(self, *, is_last_step: bool) -> None:
        batch, rows = self._batch, self._rows
        flags = np.frombuffer(self._flags, dtype=np.uint8)
        batch.ids[rows] = self._ids
        batch.labels[rows] = self._labels
        batch.crop_y[rows] = self._crop_y
        batch.crop_x[rows] = self._crop_x
        batch.is_mirrored[rows] = flags & FLAG_MIRRORED != 0
        batch.is_valid[rows] = flags & FLAG_PADDING == 0
        if batch.mix is not None:
            batch.mix.own_share[rows] = self._own_share
            batch.mix.box[rows] = self._box
        batch.epoch, batch.step = self._position
        batch.is_last_step = is_last_step
