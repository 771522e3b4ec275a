"""What a trainer gets."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from millrace.buffers import ALIGNMENT, Allocate, BufferPool, allocate_pages
from millrace.mean import MeanSubtractor
from millrace.options import Position


@dataclass(eq=False, slots=True)
class Batch:
    """One rank's batch of one step.

    All arrays are views of one buffer and belong to the receiver: the buffer is used again only when the last of them is gone,
    so they may be kept, and handed to PyTorch or JAX without a copy. Whoever keeps ids or labels for long should copy them: they keep the
    pixels.
    """

    #: Pixels as they came, [N, H, W, C] or [N, C, H, W]: uint8, or float32 when the transform asks for it.
    images: NDArray[np.uint8] | NDArray[np.float32]
    #: int64 [N].
    labels: NDArray[np.int64]
    #: Sample ids in [0, num_samples), int64 [N].
    ids: NDArray[np.int64]
    #: Row and column of each crop's upper left corner in the stored image, int32 [N].
    crop_y: NDArray[np.int32]
    crop_x: NDArray[np.int32]
    #: Whether each sample was mirrored left to right, [N].
    is_mirrored: NDArray[np.bool_]
    #: False for padding: a sample that was served before in this epoch and must not count, [N].
    is_valid: NDArray[np.bool_]
    #: Knows the mean; see `normalized`.
    subtractor: MeanSubtractor = field(repr=False)
    epoch: int = 0
    step: int = 0
    #: Whether this is the last step of its epoch.
    is_last_step: bool = False

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def next_position(self) -> Position:
        """The address of the batch that follows."""
        return Position(self.epoch + 1, 0) if self.is_last_step else Position(self.epoch, self.step + 1)

    def normalized(self, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Mean-subtracted and scaled pixels, float32 of the shape of `images`: bit for bit what a server sends as float32.

        Writes to `out` and returns it when it is given.
        """
        if self.images.dtype == np.uint8:
            pixels = self.images.view(np.uint8)
            return self.subtractor.subtract(pixels, self.crop_y, self.crop_x, self.is_mirrored, out)
        floats = self.images.view(np.float32)
        if out is None:
            return floats
        out[...] = floats
        return out


class BatchMaker:
    """Makes empty batches of one shape, each in one buffer out of a pool."""

    def __init__(
        self,
        batch_size: int,
        sample_shape: tuple[int, int, int],
        subtractor: MeanSubtractor,
        allocate: Allocate = allocate_pages,
    ) -> None:
        self._subtractor = subtractor
        n = batch_size
        self._fields: dict[str, tuple[np.dtype[np.generic], tuple[int, ...], int]] = {}
        end = 0
        for name, dtype, shape in (
            ("images", subtractor.transform.dtype, (n, *sample_shape)),
            ("labels", "int64", (n,)),
            ("ids", "int64", (n,)),
            ("crop_y", "int32", (n,)),
            ("crop_x", "int32", (n,)),
            ("is_mirrored", "bool", (n,)),
            ("is_valid", "bool", (n,)),
        ):
            self._fields[name] = (np.dtype(dtype), shape, end)
            end += -(-np.dtype(dtype).itemsize * int(np.prod(shape)) // ALIGNMENT) * ALIGNMENT
        self._pool = BufferPool(end, allocate)

    @property
    def num_bytes(self) -> int:
        """Of one batch."""
        return self._pool.num_bytes

    def make(self) -> Batch:
        """A batch whose arrays' content is undefined."""
        buffer = self._pool.take()
        arrays = {
            name: np.ndarray(shape, dtype, buffer, offset) for name, (dtype, shape, offset) in self._fields.items()
        }
        return Batch(subtractor=self._subtractor, **arrays)
