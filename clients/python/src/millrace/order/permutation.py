"""The shuffle of an epoch: a keyed Feistel network over [0, num_samples) with cycle walking, in O(1) memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from millrace.errors import UsageError
from millrace.order.keyed_hash import TAG_PERMUTATION, absorb, absorb_integer, mix32

MAX_SAMPLES = 1 << 40
_NUM_ROUNDS = 8
_MIN_HALF_BITS = 3


def permute(num_samples: int, seed: int, epoch: int, positions: ArrayLike) -> NDArray[np.int64]:
    """The sample ids at `positions` of an epoch's full shuffle, both in [0, num_samples), of any shape.

    Raises UsageError when a position is not in the range.
    """
    if not 1 <= num_samples <= MAX_SAMPLES:
        raise UsageError("num_samples", f"expected 1 to 2^40, got {num_samples}")
    asked = np.asarray(positions, dtype=np.int64)
    if asked.size and not (asked.min() >= 0 and asked.max() < num_samples):
        raise UsageError("positions", f"expected positions in [0, {num_samples}), got {asked.min()} to {asked.max()}")
    half_bits = _MIN_HALF_BITS
    while 4**half_bits < num_samples:
        half_bits += 1
    shift, mask = np.int64(half_bits), np.uint32((1 << half_bits) - 1)
    rounds = np.arange(_NUM_ROUNDS, dtype=np.uint32)
    keys = absorb(absorb_integer(mix32(np.uint32(TAG_PERMUTATION) + rounds), seed), epoch)

    ids: NDArray[np.int64] = asked.ravel().copy()
    outside = np.arange(ids.size)
    while outside.size:
        left = (ids[outside] >> shift).astype(np.uint32)
        right = ids[outside].astype(np.uint32) & mask
        for key in keys:
            left, right = right, left ^ (mix32(right ^ key) & mask)
        ids[outside] = left.astype(np.int64) << shift | right
        outside = outside[ids[outside] >= num_samples]
    return ids.reshape(asked.shape)
