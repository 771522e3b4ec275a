"""An order-free digest of the ids of an epoch: server and trainer both keep one, so that a sample lost or served twice is noticed."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from millrace.order.keyed_hash import TAG_DIGEST_HIGH, TAG_DIGEST_LOW, absorb_integer, mix32

_LOW_SEED = mix32(TAG_DIGEST_LOW)
_HIGH_SEED = mix32(TAG_DIGEST_HIGH)


class IdDigest:
    """Two sums modulo 2^32 of two hashes of the ids added."""

    def __init__(self) -> None:
        self._low = 0
        self._high = 0
        #: Ids added so far.
        self.count = 0

    def add(self, sample_ids: ArrayLike) -> None:
        """Adds ids, of any shape."""
        ids = np.asarray(sample_ids)
        self.count += ids.size
        self._low += int(absorb_integer(_LOW_SEED, ids).sum(dtype=np.uint64))
        self._high += int(absorb_integer(_HIGH_SEED, ids).sum(dtype=np.uint64))

    def hex(self) -> str:
        """16 hex digits, the high sum first."""
        return f"{self._high & 0xFFFFFFFF:08x}{self._low & 0xFFFFFFFF:08x}"
