"""An IterableDataset of whole batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.distributed
from torch.utils.data import IterableDataset, get_worker_info

from millrace.ahead import Ahead
from millrace.batch import Batch
from millrace.buffers import allocate_pages
from millrace.client import Client
from millrace.errors import UsageError
from millrace.options import Position, StreamArguments
from millrace.torch.staging import create_staging, pinned_memory
from millrace.transform import Transform

if TYPE_CHECKING:
    from typing_extensions import Unpack

_DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.uint8)


class TorchBatch(NamedTuple):
    """One rank's batch of one step; the tensors are the receiver's. `for images, labels, *_ in stream` takes what most need."""

    #: [N, C, H, W] on the device; channels last in memory unless the transform's layout is NCHW.
    images: torch.Tensor
    #: int64 [N], on the device.
    labels: torch.Tensor
    #: False for padding, bool [N], on the device.
    is_valid: torch.Tensor
    #: Sample ids, int64 [N], in main memory.
    ids: torch.Tensor
    epoch: int
    step: int
    #: Labels as rows of probabilities, float32 [N, num_classes], on the device; when asked for, or mixed.
    targets: torch.Tensor | None


class BatchStream(IterableDataset[TorchBatch]):
    """Mean-subtracted batches on a device, mixed there (in float32) when the transform says so.

    To be iterated alone, or through `DataLoader(stream, batch_size=None, num_workers=0)`.

    Each `for` goes through one epoch: the next one, or what is left of one after `load_state_dict`. A loop that was left early is not
    gone on with. Receiving goes on across the boundary of epochs. Its state is that of the last batch that the loop was given,
    however much is under way; torchdata's StatefulDataLoader and Lightning keep it by themselves.
    """

    def __init__(
        self,
        client: Client,
        dataset: str,
        split: str,
        batch_size: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
        rank: int | None = None,
        world_size: int | None = None,
        transform: Transform | None = None,
        **options: Unpack[StreamArguments],
    ) -> None:
        """Opens a stream; receiving begins with the first loop.

        device: where batches go; None: the current CUDA device if there is one, else main memory.
        dtype: of the images: float32, float16, bfloat16, or uint8 for pixels as they are (with a transform of `mean="none"`).
        rank, world_size: None: those of torch.distributed when it is initialised, else of RANK and WORLD_SIZE, else 0 of 1.
        transform: None: the whole sample less the mean image.
        options: those of `Client.stream`.

        Raises what `Client.stream` raises.
        """
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        transform = transform or Transform()
        if dtype not in _DTYPES:
            raise UsageError("dtype", f"expected one of {', '.join(map(str, _DTYPES))}, got {dtype}")
        is_raw = transform.mean == "none" and transform.scale == 1 and not transform.std and transform.dtype == "uint8"
        if dtype == torch.uint8 and (transform.is_mixed or not is_raw):
            raise UsageError(
                "dtype",
                "torch.uint8 are pixels as they are: it needs a transform with mean='none', no scale, no std and no mixing",
            )
        if (
            rank is None
            and world_size is None
            and torch.distributed.is_available()
            and torch.distributed.is_initialized()
        ):
            rank, world_size = torch.distributed.get_rank(), torch.distributed.get_world_size()
        stream = client.stream(
            dataset,
            split,
            batch_size,
            rank=rank,
            world_size=world_size,
            transform=transform,
            allocate=pinned_memory if self._device.type == "cuda" else allocate_pages,
            **options,
        )
        #: The facts of the split: its size, classes and mean.
        self.info = stream.info
        self._stream = stream
        self._staging = staging = create_staging(
            self._device, dtype, stream.subtractor, is_soft=stream.options.labels.is_soft(transform)
        )

        def begin(batch: Batch) -> _Begun:
            ids = torch.from_numpy(batch.ids.copy())
            return _Begun(staging.begin(batch), ids, batch.epoch, batch.step)

        self._ahead = Ahead(stream, begin, staging.num_ahead)
        self._is_in_epoch = False

    def __len__(self) -> int:
        """Steps of an epoch, the same on each rank."""
        return self._stream.num_steps(self._ahead.position.epoch)

    def __iter__(self) -> Iterator[TorchBatch]:
        """One epoch. Raises UsageError in a DataLoader's worker process."""
        if get_worker_info() is not None:
            raise UsageError(
                "num_workers",
                "a BatchStream receives ahead by itself; use DataLoader(stream, batch_size=None, num_workers=0), or no DataLoader",
            )
        return self._epoch()

    def _epoch(self) -> Iterator[TorchBatch]:
        if self._is_in_epoch:
            self._ahead.seek(Position(self._ahead.position.epoch + 1, 0))
        self._is_in_epoch = True
        while self._is_in_epoch and (begun := next(self._ahead, None)) is not None:
            self._is_in_epoch = not begun.is_last_step
            staged, ids, epoch, step = begun.value
            images, labels, is_valid, targets = self._staging.finish(staged)
            # The loop may take long over this batch: its memory is free for the next one meanwhile.
            del begun, staged
            yield TorchBatch(images, labels, is_valid, ids, epoch, step, targets)
        self._is_in_epoch = False

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint has to keep: the address of the batch after the last one that the loop was given."""
        return self._ahead.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The next loop goes through what is left of the epoch that the state was taken in. Raises what `Stream.load_state_dict` raises."""
        self._ahead.load_state_dict(state)
        self._is_in_epoch = False

    def close(self) -> None:
        """Stops receiving; no thread is left."""
        self._ahead.close()


class _Begun(NamedTuple):
    """A batch on its way."""

    staged: Any
    ids: torch.Tensor
    epoch: int
    step: int
