"""The one hash behind order, draws and digests: 32-bit arithmetic, on whole arrays at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

U32 = NDArray[np.uint32]

TAG_PERMUTATION = 0x50000000
TAG_DRAW = 0x44000000
TAG_DIGEST_LOW = 0x1D000000
TAG_DIGEST_HIGH = 0x1D000001

_GOLDEN = np.uint32(0x9E3779B9)


def mix32(words: ArrayLike) -> U32:
    """A bijection of 32-bit words. A new array of the shape of `words`, at least one dimension."""
    # One dimension at least: NumPy warns of the overflow that is meant here when it multiplies scalars.
    x = np.atleast_1d(np.array(words, dtype=np.uint32))
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x21F0AAAD)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x735A2D97)
    x ^= x >> np.uint32(15)
    return x


def absorb(state: U32, words: ArrayLike) -> U32:
    """Takes 32 bits into each 32-bit state; the two broadcast against each other."""
    return mix32((state ^ np.asarray(words, dtype=np.uint32)) + _GOLDEN)


def absorb_integer(state: U32, values: ArrayLike) -> U32:
    """Takes an integer of [0, 2^53) into each state: its low word, then its high word."""
    wide = np.asarray(values, dtype=np.uint64)
    return absorb(absorb(state, wide & np.uint64(0xFFFFFFFF)), wide >> np.uint64(32))
