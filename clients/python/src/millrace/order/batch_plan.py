"""Which samples make the batch at (epoch, step), and which of them a rank takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from millrace.errors import UsageError
from millrace.order.permutation import permute

EndOfEpoch = Literal["drop", "pad", "wrap"]
Shuffle = Literal["full", "none", "blocks"]


class BatchPlan(NamedTuple):
    """The samples of one rank's batch, all arrays [batch_size]."""

    ids: NDArray[np.int64]
    #: The epoch that each sample's augmentation is drawn for: with `wrap` the end of a batch belongs to the next one.
    epochs: NDArray[np.int64]
    #: False for padding: the sample was served before in this epoch.
    is_valid: NDArray[np.bool_]


@dataclass(frozen=True)
class Order:
    """What the sequence of global batches is a function of. `global_batch_size`: samples of one step over all ranks."""

    num_samples: int
    seed: int
    global_batch_size: int
    shuffle: Shuffle = "full"
    end_of_epoch: EndOfEpoch = "drop"

    def first_run_step(self, epoch: int) -> int:
        """With `wrap`: the number of global batches that begin before the epoch does."""
        return -(-epoch * self.num_samples // self.global_batch_size)

    def num_steps(self, epoch: int) -> int:
        """Steps of an epoch, the same for each rank. With `wrap` it may differ by one from epoch to epoch."""
        if self.end_of_epoch == "drop":
            return self.num_samples // self.global_batch_size
        if self.end_of_epoch == "pad":
            return -(-self.num_samples // self.global_batch_size)
        return self.first_run_step(epoch + 1) - self.first_run_step(epoch)

    def plan(self, epoch: int, step: int, rank: int = 0, world_size: int = 1) -> BatchPlan:
        """The batch of a rank.

        Raises UsageError when the step is past the end, when the world does not divide the batch, and for shuffle='blocks', which
        protos/order/law.md says how to do.
        """
        if self.shuffle == "blocks":
            raise UsageError("shuffle", "what stands where with 'blocks' is not worked out at this end")
        if not 0 <= step < self.num_steps(epoch):
            raise UsageError("step", f"expected one of [0, {self.num_steps(epoch)}) in epoch {epoch}, got {step}")
        if self.global_batch_size % world_size or not 0 <= rank < world_size:
            raise UsageError(
                "world_size",
                f"expected a divisor of the global batch of {self.global_batch_size} and a rank below it, "
                f"got rank {rank} of {world_size}",
            )
        size = self.global_batch_size // world_size
        first = step * self.global_batch_size
        if self.end_of_epoch == "wrap":
            first += self.first_run_step(epoch) * self.global_batch_size - epoch * self.num_samples
        positions = first + rank * size + np.arange(size, dtype=np.int64)
        past, positions = positions // self.num_samples, positions % self.num_samples
        is_wrapped = self.end_of_epoch == "wrap"
        epochs = epoch + past if is_wrapped else np.full(size, epoch, dtype=np.int64)
        ids = positions
        if self.shuffle == "full":
            ids = np.empty_like(positions)
            for one in np.unique(epochs):
                where = epochs == one
                ids[where] = permute(self.num_samples, self.seed, int(one), positions[where])
        return BatchPlan(ids, epochs, np.ones(size, dtype=bool) if is_wrapped else past == 0)
