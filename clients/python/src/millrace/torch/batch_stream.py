"""An IterableDataset of whole batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
import torch.distributed
from torch.utils.data import IterableDataset, get_worker_info

from millrace.batch import Batch
from millrace.buffers import allocate_pages
from millrace.client import DEFAULT_PREFETCH_BYTES, Client
from millrace.errors import UsageError
from millrace.options import Position, Transform
from millrace.order.batch_plan import EndOfEpoch, Shuffle
from millrace.run_state import run_state
from millrace.torch.staging import create_staging, pinned_memory

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


class BatchStream(IterableDataset[TorchBatch]):
    """Mean-subtracted batches on a device. To be iterated alone, or through `DataLoader(stream, batch_size=None, num_workers=0)`.

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
        seed: int = 0,
        epochs: int | None = None,
        shuffle: Shuffle = "full",
        end_of_epoch: EndOfEpoch = "drop",
        transform: Transform | None = None,
        mean_of: tuple[str, str] | None = None,
        connections: int = 1,
        prefetch_bytes: int = DEFAULT_PREFETCH_BYTES,
    ) -> None:
        """Opens a stream; receiving begins with the first loop.

        device: where batches go; None: the current CUDA device if there is one, else main memory.
        dtype: of the images: float32, float16, bfloat16, or uint8 for pixels as they are (with a transform of `mean="none"`).
        rank, world_size: None: those of torch.distributed when it is initialised, else of RANK and WORLD_SIZE, else 0 of 1.
        The others are those of `Client.stream`.

        Raises what `Client.stream` raises.
        """
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        transform = transform or Transform()
        if dtype not in _DTYPES:
            raise UsageError("dtype", f"expected one of {', '.join(map(str, _DTYPES))}, got {dtype}")
        is_raw = transform.mean == "none" and transform.scale == 1 and not transform.std and transform.dtype == "uint8"
        if dtype == torch.uint8 and not is_raw:
            raise UsageError(
                "dtype",
                "torch.uint8 are pixels as they are: it needs a transform with mean='none', no scale and no std",
            )
        if (
            rank is None
            and world_size is None
            and torch.distributed.is_available()
            and torch.distributed.is_initialized()
        ):
            rank, world_size = torch.distributed.get_rank(), torch.distributed.get_world_size()
        self._stream = client.stream(
            dataset,
            split,
            batch_size,
            rank=rank,
            world_size=world_size,
            seed=seed,
            epochs=epochs,
            shuffle=shuffle,
            end_of_epoch=end_of_epoch,
            transform=transform,
            mean_of=mean_of,
            connections=connections,
            prefetch_bytes=prefetch_bytes,
            allocate=pinned_memory if self._device.type == "cuda" else allocate_pages,
        )
        #: The facts of the split: its size, classes and mean.
        self.info = self._stream.info
        self._staging = create_staging(self._device, dtype, self._stream.subtractor)
        self._staged: deque[tuple[Batch, Any]] = deque()
        #: Of the batch that the loop is given next.
        self._position = self._stream.position
        self._is_in_epoch = False

    def __len__(self) -> int:
        """Steps of an epoch, the same on each rank."""
        return self._stream.num_steps(self._position.epoch)

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
            self._seek(Position(self._position.epoch + 1, 0))
        self._is_in_epoch = True
        while self._is_in_epoch:
            while len(self._staged) <= self._staging.num_ahead and (batch := next(self._stream, None)) is not None:
                self._staged.append((batch, self._staging.begin(batch)))
            if not self._staged:
                break
            batch, begun = self._staged.popleft()
            tensors = self._staging.finish(begun)
            epoch, step = batch.epoch, batch.step
            self._is_in_epoch = not batch.is_last_step
            self._position = batch.next_position
            ids = torch.from_numpy(batch.ids.copy())
            # The loop may take long over this batch: its memory is free for the next one meanwhile.
            del batch, begun
            yield TorchBatch(*tensors, ids, epoch, step)
        self._is_in_epoch = False

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint has to keep: the address of the batch after the last one that the loop was given."""
        return run_state(self._stream.options, self.info, self._position)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The next loop goes through what is left of the epoch that the state was taken in. Raises what `Stream.load_state_dict` raises."""
        self._stream.load_state_dict(state)
        self._staged.clear()
        self._position = self._stream.position
        self._is_in_epoch = False

    def close(self) -> None:
        """Stops receiving; no thread is left."""
        self._staged.clear()
        self._stream.close()

    def _seek(self, position: Position) -> None:
        self._staged.clear()
        self._stream.seek(position)
        self._position = position
