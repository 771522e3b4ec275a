"""Augmentation draws, keyed by (seed, epoch, sample id): a batch asked for twice, of any server, is the same to the last bit."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from millrace.order.keyed_hash import TAG_DRAW, U32, absorb, absorb_integer, mix32

#: Which draw of a sample; each is independent of the others.
LANES: Final = {"mirror": 0, "cropY": 1, "cropX": 2}


def draw32(seed: int, epoch: ArrayLike, sample_ids: ArrayLike, lane: str) -> U32:
    """A uniform 32-bit word for one draw of each sample; `epoch` is one for all or one each."""
    state = absorb_integer(mix32(TAG_DRAW + LANES[lane]), seed)
    return absorb_integer(absorb(state, epoch), sample_ids)


def draw_below(bound: int, words: U32) -> NDArray[np.int64]:
    """A uniform integer of [0, bound) from each uniform word; `bound` up to 2^20."""
    scaled: NDArray[np.uint64] = words.astype(np.uint64) * np.uint64(bound)
    high: NDArray[np.uint64] = scaled >> np.uint64(32)
    return high.astype(np.int64)
