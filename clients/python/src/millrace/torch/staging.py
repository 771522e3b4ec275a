"""From received batches to tensors on a device."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from millrace.batch import Batch
from millrace.mean import MeanSubtractor
from millrace.mixing import mixed
from millrace.torch.device_mean import DeviceMean


class Tensors(NamedTuple):
    """One batch on its device."""

    #: [N, C, H, W]; in memory as the wire had it, so channels last when the layout is NHWC.
    images: torch.Tensor
    #: int64 [N].
    labels: torch.Tensor
    #: bool [N].
    is_valid: torch.Tensor
    #: Rows of probabilities, float32 [N, num_classes], where they are wanted.
    targets: torch.Tensor | None


class Staging(Protocol):
    """Two steps, so that a batch can be on its way while the one before it is computed on."""

    #: How many batches to have on their way beside the one that is ready.
    num_ahead: int

    def begin(self, batch: Batch) -> Any:
        """Starts; the result is for `finish`."""

    def finish(self, begun: Any) -> Tensors:
        """Tensors that operations on the device's current stream may use at once."""


def create_staging(device: torch.device, dtype: torch.dtype, subtractor: MeanSubtractor, *, is_soft: bool) -> Staging:
    """The way to a device of that kind. `is_soft`: labels as rows of probabilities are wanted."""
    if device.type == "cpu":
        return _CpuStaging(dtype, is_soft=is_soft)
    kind = _CudaStaging if device.type == "cuda" else _PlainStaging
    return kind(device, dtype, subtractor, is_soft=is_soft)


def pinned_memory(num_bytes: int) -> NDArray[np.uint8]:
    """Page-locked memory: frames are received into what the device copies from."""
    return torch.empty(num_bytes, dtype=torch.uint8, pin_memory=True).numpy()


def _channels_first(images: torch.Tensor, subtractor: MeanSubtractor) -> torch.Tensor:
    return images if subtractor.transform.layout == "NCHW" else images.permute(0, 3, 1, 2)


class _CpuStaging:
    """Nothing to copy: NumPy subtracts, and tensors look at its memory."""

    num_ahead = 0

    def __init__(self, dtype: torch.dtype, *, is_soft: bool) -> None:
        self._dtype = dtype
        self._is_soft = is_soft

    def begin(self, batch: Batch) -> Batch:
        return batch

    def finish(self, begun: Batch) -> Tensors:
        pixels = begun.images if self._dtype == torch.uint8 else begun.normalized()
        images = torch.from_numpy(pixels).to(self._dtype)
        # Copies of what is small, so that whoever keeps labels does not keep the pixels beside them.
        labels, is_valid = torch.from_numpy(begun.labels.copy()), torch.from_numpy(begun.is_valid.copy())
        targets = torch.from_numpy(begun.targets()) if self._is_soft else None
        return Tensors(_channels_first(images, begun.subtractor), labels, is_valid, targets)


class _PlainStaging:
    """For devices that have no streams we know of: copied and subtracted where it stands in the program."""

    num_ahead = 0

    def __init__(self, device: torch.device, dtype: torch.dtype, subtractor: MeanSubtractor, *, is_soft: bool) -> None:
        self._device = device
        self._dtype = dtype
        self._subtractor = subtractor
        self._mean = DeviceMean(subtractor, device)
        self._is_soft = is_soft

    def begin(self, batch: Batch) -> Any:
        return self._put(batch)

    def finish(self, begun: Any) -> Tensors:
        tensors: Tensors = begun
        return tensors

    def _put(self, batch: Batch) -> Tensors:
        # As int16, which every PyTorch knows: bits are bits.
        pixels = batch.images.view(np.int16) if batch.images.dtype == np.uint16 else batch.images
        images = self._copy(pixels)
        if images.dtype == torch.int16:
            images = images.view(torch.bfloat16)
        if images.dtype == torch.uint8 and self._dtype != torch.uint8:
            crops = (self._copy(array) for array in (batch.crop_y, batch.crop_x, batch.is_mirrored))
            images = self._mean.subtract(images, *crops)
        if batch.mix is not None:
            images = mixed(
                images.to(torch.float32),
                *(self._copy(array) for array in batch.mix),
                is_planar=self._subtractor.transform.layout == "NCHW",
                arange=partial(torch.arange, device=self._device),
            )
        labels, is_valid = self._copy(batch.labels), self._copy(batch.is_valid)
        targets = self._copy(batch.targets()) if self._is_soft else None
        return Tensors(_channels_first(images.to(self._dtype), self._subtractor), labels, is_valid, targets)

    def _copy(self, array: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(array).to(self._device, non_blocking=True)


class _CudaStaging(_PlainStaging):
    """Copies and subtracts on a stream of its own, beside the computation."""

    num_ahead = 2

    def __init__(self, device: torch.device, dtype: torch.dtype, subtractor: MeanSubtractor, *, is_soft: bool) -> None:
        super().__init__(device, dtype, subtractor, is_soft=is_soft)
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        # The mean was put there by the current stream.
        self._stream.wait_stream(torch.cuda.current_stream(device))
        #: Batches whose memory the device may still be reading: it must not go back to the pool before.
        self._in_flight: deque[tuple[torch.cuda.Event, Batch]] = deque()

    def begin(self, batch: Batch) -> Any:
        while self._in_flight and self._in_flight[0][0].query():  # type: ignore[no-untyped-call]
            self._in_flight.popleft()
        with torch.cuda.stream(self._stream):
            tensors = self._put(batch)
            done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            done.record(self._stream)
        self._in_flight.append((done, batch))
        return tensors, done

    def finish(self, begun: Any) -> Tensors:
        tensors: Tensors = begun[0]
        done: torch.cuda.Event = begun[1]
        current = torch.cuda.current_stream(self._device)
        current.wait_event(done)
        for tensor in tensors:
            # They were allocated on our stream: their memory may be used again only once the current one is done with it.
            if tensor is not None:
                tensor.record_stream(current)
        return tensors

    def __del__(self) -> None:
        # The pool must not hand out what a copy is still reading.
        for done, _ in self._in_flight:
            done.synchronize()
