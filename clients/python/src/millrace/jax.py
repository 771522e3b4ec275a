"""Batches for JAX: `BatchStream`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from millrace.ahead import Ahead
from millrace.batch import Batch
from millrace.client import Client
from millrace.errors import UsageError
from millrace.mean import MeanSubtractor
from millrace.mixing import mixed
from millrace.options import StreamArguments
from millrace.stream import Stream
from millrace.transform import Transform

if TYPE_CHECKING:
    from typing_extensions import Unpack

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
    #: Labels as rows of probabilities, float32 [N, num_classes]; when asked for, or mixed.
    targets: jax.Array | None


class BatchStream(Iterator[JaxBatch]):
    """An iterator over batches, epoch after epoch, on devices, the mean subtracted there, and pictures mixed (in float32)."""

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
        transform: Transform | None = None,
        **options: Unpack[StreamArguments],
    ) -> None:
        """Opens a stream; receiving begins with the first `next`.

        batch_size: samples of this process's part of a batch.
        sharding: over the first axis, such as `NamedSharding(mesh, PartitionSpec("data"))`; None: one device, the default one.
        dtype: of the images, a floating one.
        rank, world_size: None: this process among those of `jax.distributed`.
        transform: None: the whole sample less the mean image.
        options: those of `Client.stream`.

        Raises what `Client.stream` raises.
        """
        if not jnp.issubdtype(dtype, jnp.floating):
            raise UsageError("dtype", f"expected a floating one, got {dtype}")
        if rank is None and world_size is None:
            rank, world_size = jax.process_index(), jax.process_count()
        stream = client.stream(
            dataset, split, batch_size, rank=rank, world_size=world_size, transform=transform, **options
        )
        #: The facts of the split: its size, classes and mean.
        self.info = stream.info
        self._stream = stream
        self._ahead = Ahead(stream, _Placer(stream, sharding, dtype), _NUM_AHEAD)

    def num_steps(self, epoch: int = 0) -> int:
        """Steps of an epoch."""
        return self._stream.num_steps(epoch)

    def __next__(self) -> JaxBatch:
        """The next batch; its transfer may still be going on. Raises what the `next` of `Stream` raises."""
        return next(self._ahead).value

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint has to keep: the address of the batch after the last one given."""
        return self._ahead.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where the state was taken. Raises what `Stream.load_state_dict` raises."""
        self._ahead.load_state_dict(state)

    def close(self) -> None:
        """Stops receiving; no thread is left."""
        self._ahead.close()


class _Placer:
    """Puts batches onto the devices of a sharding."""

    def __init__(self, stream: Stream, sharding: jax.sharding.Sharding | None, dtype: Any) -> None:
        transform, num_pictures = stream.options.transform, stream.options.num_pictures
        self._sharding = sharding or jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        self._num_pictures = num_pictures * (1 if sharding is None else jax.process_count())
        self._rows = _rows_of_devices(self._sharding, self._num_pictures, num_pictures)
        if transform.is_mixed and any((rows.stop - rows.start) % 2 for rows in self._rows.values()):
            raise UsageError(
                "batch_size",
                f"transform.mixing needs an even number of samples a device, got {num_pictures} for {len(self._rows)}",
            )
        self._is_soft = stream.options.labels.is_soft(transform)
        self._finish = _finisher(stream.subtractor, dtype)

    def __call__(self, batch: Batch) -> JaxBatch:
        pixels = batch.images.view(jnp.dtype(jnp.bfloat16)) if batch.images.dtype == np.uint16 else batch.images
        targets = batch.targets() if self._is_soft else None
        shards: list[tuple[jax.Array, ...]] = []
        # Each device computes on its own rows alone, so that it does not matter what else the mesh is used for.
        for device, rows in self._rows.items():
            images, crops, mix, *rest = jax.device_put(
                (
                    pixels[rows],
                    (batch.crop_y[rows], batch.crop_x[rows], batch.is_mirrored[rows]),
                    None if batch.mix is None else (batch.mix.own_share[rows], batch.mix.box[rows]),
                    batch.labels[rows].astype(np.int32),
                    batch.is_valid[rows].copy(),
                    *([] if targets is None else [targets[rows]]),
                ),
                device,
            )
            shards.append((self._finish(images, crops, mix), *rest))
        images, labels, is_valid, *soft = (
            jax.make_array_from_single_device_arrays(
                (self._num_pictures, *parts[0].shape[1:]), self._sharding, list(parts)
            )
            for parts in zip(*shards, strict=True)
        )
        return JaxBatch(images, labels, is_valid, batch.ids.copy(), batch.epoch, batch.step, soft[0] if soft else None)


def _rows_of_devices(sharding: jax.sharding.Sharding, num_samples: int, num_own: int) -> dict[Any, slice]:
    """Which rows of this process's batch each of its devices takes: in the order that the global array has them."""
    indices = sharding.addressable_devices_indices_map((num_samples,))
    begins = {device: index[0].indices(num_samples)[:2] for device, index in indices.items() if index is not None}
    parts = sorted(set(begins.values()))
    if sum(end - begin for begin, end in parts) != num_own:
        raise UsageError(
            "sharding",
            f"expected one that spreads the first axis so that the devices of this process hold {num_own} of {num_samples} "
            f"samples, got {sharding}",
        )
    size = num_own // len(parts)
    return {device: slice(size * parts.index(part), size * (parts.index(part) + 1)) for device, part in begins.items()}


def _finisher(subtractor: MeanSubtractor, dtype: Any) -> Callable[..., jax.Array]:
    """A compiled function of images, (crop_y, crop_x, is_mirrored) and (own_share, box) or None: what `Batch.normalized` does, as dtype."""
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
    def finish(images: jax.Array, crops: tuple[jax.Array, ...], mix: tuple[jax.Array, jax.Array] | None) -> jax.Array:
        if transform.dtype == "uint8":
            images = images.astype(jnp.float32)
            images -= windows(images.shape, *crops) if transform.mean == "image" else mean
            if factor is not None:
                images *= factor
        if mix is not None:
            images = mixed(images.astype(jnp.float32), *mix, is_planar=is_planar, arange=jnp.arange)
        return images.astype(dtype)

    return finish
