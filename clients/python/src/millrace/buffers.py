"""The memory of batches, used again once nobody looks at it any more."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Arrays begin at multiples of this: JAX and SIMD code take such memory as it is.
ALIGNMENT = 64

#: Several of the largest messages, which are of 4 MiB: with half of it the faults are ten times as many.
_LARGEST_FREED = 16 << 20

#: Gives that many bytes of memory, which live as long as the array does and begin at a multiple of 64 bytes. PyTorch gives pinned ones.
Allocate = Callable[[int], NDArray[np.uint8]]


def allocate_pages(num_bytes: int) -> NDArray[np.uint8]:
    """Ordinary memory that begins at a multiple of 64 bytes."""
    room = np.empty(num_bytes + ALIGNMENT, dtype=np.uint8)
    begin = -room.ctypes.data % ALIGNMENT
    return room[begin : begin + num_bytes]


def keep_freed_memory() -> None:
    """Has the C library keep what messages took for those that come after them, at most twice `_LARGEST_FREED` a thread.

    Left alone, glibc gives it back to the system, and each message costs a page fault every 4 KiB: a third of all that receiving
    costs. It learns from the largest piece that was freed so far how much to keep (mallopt(3), M_MMAP_THRESHOLD), unless the user has
    set that in the environment; to set it from here would end the learning. Other libraries see an array that nobody wrote to.
    """
    np.empty(_LARGEST_FREED, dtype=np.uint8)


class BufferPool:
    """Equal buffers. One that is handed out comes back by itself when the last array over it is gone: nobody has to give it back,
    and nobody can look at memory that is being written again. Fresh memory for each batch would cost a page fault every 4 KiB.
    """

    def __init__(self, num_bytes: int, allocate: Allocate = allocate_pages) -> None:
        self.num_bytes = num_bytes
        self._allocate = allocate
        # Appending and popping are atomic. A lock could be taken twice by one thread, as buffers come back whenever Python
        # collects garbage.
        self._free: deque[NDArray[np.uint8]] = deque()

    def take(self) -> NDArray[np.uint8]:
        """A buffer of `num_bytes`, its content undefined."""
        try:
            memory = self._free.pop()
        except IndexError:
            memory = self._allocate(self.num_bytes)
        lease = _Lease(memory)
        finalizer = weakref.finalize(lease, self._free.append, memory)
        finalizer.atexit = False
        return np.asarray(lease)


class _Lease:
    """What arrays over a buffer that is handed out keep alive."""

    def __init__(self, memory: NDArray[np.uint8]) -> None:
        self.__array_interface__: dict[str, Any] = memory.__array_interface__
