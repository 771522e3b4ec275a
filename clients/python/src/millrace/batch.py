"""What a trainer gets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from millrace.buffers import ALIGNMENT, Allocate, BufferPool, allocate_pages
from millrace.mean import MeanSubtractor
from millrace.mixing import MixPlan, mix_pictures, soft_labels
from millrace.options import Position


@dataclass(eq=False, slots=True)
class Batch:
    """One rank's batch of one step.

    All arrays are views of one buffer and belong to the receiver: the buffer is used again only when the last of them is gone,
    so they may be kept, and handed to PyTorch or JAX without a copy. Whoever keeps ids or labels for long should copy them: they keep the
    pixels.
    """

    #: Pixels as they came, [N, H, W, C] or [N, C, H, W]: uint8, or what else the transform asks for. bfloat16, which NumPy does not know,
    #: as uint16: `images.view(ml_dtypes.bfloat16)`. With ten crops N is ten times the batch size, and so below.
    images: NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float16] | NDArray[np.float32]
    #: Each sample's own, int64 [N]; `targets` has rows of probabilities.
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
    #: How pictures are to be mixed, when the transform asks for it; `normalized` and `targets` do.
    mix: MixPlan | None
    #: Knows the mean; see `normalized`.
    subtractor: MeanSubtractor = field(repr=False)
    #: Classes of the split, and the probability that is spread over them; see `targets`.
    num_classes: int
    smoothing: float
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
        """Mean-subtracted, scaled and mixed pixels, float32 of the shape of `images`: bit for bit what a server sends as float32, mixed.

        Writes to `out` and returns it when it is given.
        """
        transform = self.subtractor.transform
        if self.images.dtype == np.uint8:
            pixels = self.images.view(np.uint8)
            floats = self.subtractor.subtract(pixels, self.crop_y, self.crop_x, self.is_mirrored, out)
        else:
            floats = float32_of(self.images)
            if out is not None:
                out[...] = floats
                floats = out
            elif self.mix is not None and self.images.dtype == np.float32:
                # What came stays as it came.
                floats = floats.copy()
        if self.mix is not None:
            mix_pictures(floats, self.mix, is_planar=transform.layout == "NCHW")
        return floats

    def targets(self) -> NDArray[np.float32]:
        """Labels as rows of probabilities, float32 [N, num_classes]: one-hot, smoothed and mixed as the stream was asked for.

        Raises UsageError when a label is none of the split's classes.
        """
        return soft_labels(self.labels, self.num_classes, self.smoothing, self.mix)


def float32_of(images: NDArray[Any]) -> NDArray[np.float32]:
    """Floats as they came, exactly; uint16 are bfloat16. What is float32 already is not copied."""
    if images.dtype == np.uint16:
        widened: NDArray[np.uint32] = np.left_shift(images, 16, dtype=np.uint32)
        return widened.view(np.float32)
    return images.astype(np.float32, copy=False)


class BatchMaker:
    """Makes empty batches of one shape, each in one buffer out of a pool."""

    def __init__(
        self,
        num_pictures: int,
        sample_shape: tuple[int, int, int],
        subtractor: MeanSubtractor,
        allocate: Allocate = allocate_pages,
        *,
        num_classes: int,
        smoothing: float,
    ) -> None:
        self._facts: dict[str, Any] = {"subtractor": subtractor, "num_classes": num_classes, "smoothing": smoothing}
        self._is_mixed = subtractor.transform.is_mixed
        n = num_pictures
        num_mixed = n if self._is_mixed else 0
        dtype_on_wire = subtractor.transform.dtype
        self._fields: dict[str, tuple[np.dtype[np.generic], tuple[int, ...], int]] = {}
        end = 0
        for name, dtype, shape in (
            ("images", "uint16" if dtype_on_wire == "bfloat16" else dtype_on_wire, (n, *sample_shape)),
            ("labels", "int64", (n,)),
            ("ids", "int64", (n,)),
            ("crop_y", "int32", (n,)),
            ("crop_x", "int32", (n,)),
            ("is_mirrored", "bool", (n,)),
            ("is_valid", "bool", (n,)),
            ("own_share", "float32", (num_mixed,)),
            ("box", "int32", (num_mixed, 4)),
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
        arrays: dict[str, Any] = {
            name: np.ndarray(shape, dtype, buffer, offset) for name, (dtype, shape, offset) in self._fields.items()
        }
        mix = MixPlan(arrays.pop("own_share"), arrays.pop("box"))
        return Batch(mix=mix if self._is_mixed else None, **arrays, **self._facts)
