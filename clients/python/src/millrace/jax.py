"""Batches for JAX: `BatchStream`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from millrace.batch import Batch
from millrace.client import DEFAULT_PREFETCH_BYTES, Client
from millrace.errors import UsageError
from millrace.mean import MeanSubtractor
from millrace.options import Position, Transform
from millrace.order.batch_plan import EndOfEpoch, Shuffle
from millrace.run_state import run_state

#: Batches on their way to the devices beside the one that is computed on: transfers are asynchronous.
_NUM_AHEAD = 2


class JaxBatch(NamedTuple):
    """The batch of one step: this process's own, or with a sharding that of all processes over their devices."""

    #: [N, H, W, C] or [N, C, H, W], as the transform's layout says.
    images: jax.Array
    #: int32 [N].
    labels: jax.Array
    #: False for padding, bool [N].
    is_valid: jax.Array
    #: Sample ids of this process's part, int64, in main memory.
    ids: NDArray[np.int64]
    epoch: int
    step: int


class BatchStream(Iterator[JaxBatch]):
    """An iterator over batches, epoch after epoch, on devices, the mean subtracted there."""

    def __init__(
        self,
        client: Client,
        dataset: str,
        split: str,
        batch_size: int,
        *,
        sharding: jax.sharding.Sharding | None = None,
        dtype: Any = jnp.float32,
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
        """Opens a stream; receiving begins with the first `next`.

        batch_size: samples of this process's part of a batch.
        sharding: over the first axis, such as `NamedSharding(mesh, PartitionSpec("data"))`; None: one device, the default one.
        dtype: of the images, a floating one.
        rank, world_size: None: this process among those of `jax.distributed`.
        The others are those of `Client.stream`.

        Raises what `Client.stream` raises.
        """
        if not jnp.issubdtype(dtype, jnp.floating):
            raise UsageError("dtype", f"expected a floating one, got {dtype}")
        if rank is None and world_size is None:
            rank, world_size = jax.process_index(), jax.process_count()
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
        )
        #: The facts of the split: its size, classes and mean.
        self.info = self._stream.info
        self._sharding = sharding or jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        self._num_samples = batch_size * (1 if sharding is None else jax.process_count())
        self._rows = _rows_of_devices(self._sharding, self._num_samples, batch_size)
        self._finish = _finisher(self._stream.subtractor, dtype)
        self._ahead: deque[tuple[JaxBatch, Position]] = deque()
        self._position = self._stream.position

    def num_steps(self, epoch: int = 0) -> int:
        """Steps of an epoch."""
        return self._stream.num_steps(epoch)

    def __next__(self) -> JaxBatch:
        """The next batch; its transfer may still be going on. Raises what the `next` of `Stream` raises."""
        while len(self._ahead) <= _NUM_AHEAD and (received := next(self._stream, None)) is not None:
            self._ahead.append((self._put(received), received.next_position))
        if not self._ahead:
            raise StopIteration
        batch, self._position = self._ahead.popleft()
        return batch

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint has to keep: the address of the batch after the last one given."""
        return run_state(self._stream.options, self.info, self._position)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where the state was taken. Raises what `Stream.load_state_dict` raises."""
        self._stream.load_state_dict(state)
        self._ahead.clear()
        self._position = self._stream.position

    def close(self) -> None:
        """Stops receiving; no thread is left."""
        self._ahead.clear()
        self._stream.close()

    def _put(self, batch: Batch) -> JaxBatch:
        shards: list[tuple[jax.Array, ...]] = []
        # Each device computes on its own rows alone, so that it does not matter what else the mesh is used for.
        for device, rows in self._rows.items():
            images, crop_y, crop_x, is_mirrored, labels, is_valid = jax.device_put(
                (
                    batch.images[rows],
                    batch.crop_y[rows],
                    batch.crop_x[rows],
                    batch.is_mirrored[rows],
                    batch.labels[rows].astype(np.int32),
                    batch.is_valid[rows].copy(),
                ),
                device,
            )
            shards.append((self._finish(images, crop_y, crop_x, is_mirrored), labels, is_valid))
        images, labels, is_valid = (
            jax.make_array_from_single_device_arrays(
                (self._num_samples, *parts[0].shape[1:]), self._sharding, list(parts)
            )
            for parts in zip(*shards, strict=True)
        )
        return JaxBatch(images, labels, is_valid, batch.ids.copy(), batch.epoch, batch.step)


def _rows_of_devices(sharding: jax.sharding.Sharding, num_samples: int, batch_size: int) -> dict[Any, slice]:
    """Which rows of this process's batch each of its devices takes: in the order that the global array has them."""
    indices = sharding.addressable_devices_indices_map((num_samples,))
    begins = {device: index[0].indices(num_samples)[:2] for device, index in indices.items() if index is not None}
    parts = sorted(set(begins.values()))
    if sum(end - begin for begin, end in parts) != batch_size:
        raise UsageError(
            "sharding",
            f"expected one that spreads the first axis so that the devices of this process hold {batch_size} of {num_samples} "
            f"samples, got {sharding}",
        )
    size = batch_size // len(parts)
    return {device: slice(size * parts.index(part), size * (parts.index(part) + 1)) for device, part in begins.items()}


def _finisher(subtractor: MeanSubtractor, dtype: Any) -> Callable[..., jax.Array]:
    """A compiled function of (images, crop_y, crop_x, is_mirrored): what `MeanSubtractor` does, then the dtype."""
    transform = subtractor.transform
    mean, factor = subtractor.mean, subtractor.factor
    is_planar = transform.layout == "NCHW"

    def windows(shape: tuple[int, ...], crop_y: jax.Array, crop_x: jax.Array, is_mirrored: jax.Array) -> jax.Array:
        height, width = shape[2:4] if is_planar else shape[1:3]
        across = jnp.arange(width)
        columns = jnp.where(is_mirrored[:, None], across[::-1], across) + crop_x[:, None]
        rows = jnp.arange(height) + crop_y[:, None]
        placed = jnp.asarray(mean)
        if is_planar:
            return placed[:, rows[:, :, None], columns[:, None, :]].swapaxes(0, 1)
        return placed[rows[:, :, None], columns[:, None, :]]

    @jax.jit
    def finish(images: jax.Array, crop_y: jax.Array, crop_x: jax.Array, is_mirrored: jax.Array) -> jax.Array:
        if transform.dtype == "float32":
            return images.astype(dtype)
        floats = images.astype(jnp.float32)
        floats -= windows(images.shape, crop_y, crop_x, is_mirrored) if transform.mean == "image" else mean
        if factor is not None:
            floats *= factor
        return floats.astype(dtype)

    return finish
