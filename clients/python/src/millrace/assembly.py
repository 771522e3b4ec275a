"""Where receiving threads and the consumer meet: batches that are being put together, and those that wait to be taken."""

from __future__ import annotations

import threading
from collections import deque

from millrace.batch import Batch, BatchMaker

_WAKE_SECONDS = 1.0


class _Slot:
    __slots__ = ("batch", "num_lanes_left")

    def __init__(self, batch: Batch, num_lanes: int) -> None:
        self.batch = batch
        self.num_lanes_left = num_lanes


class Assembly:
    """Batches in order, each filled by all lanes (every lane its own rows) and then taken. Holds at most `max_batches`.

    Batches are counted from 0, the first one of this assembly.
    """

    def __init__(self, maker: BatchMaker, num_lanes: int, max_batches: int) -> None:
        self._maker = maker
        self._num_lanes = num_lanes
        self._max_batches = max_batches
        self._slots: deque[_Slot] = deque()
        #: The number of the batch that is taken next, which is the first of the slots.
        self._first = 0
        self._num_lanes_ended = 0
        self._error: Exception | None = None
        self._is_closed = False
        self._changed = threading.Condition()

    def claim(self, number: int) -> Batch | None:
        """The batch of that number, for a lane to fill its rows of. Waits while there is no room; None: closed meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or number < self._first + self._max_batches)
            if self._is_closed:
                return None
            while number >= self._first + len(self._slots):
                self._slots.append(_Slot(self._maker.make(), self._num_lanes))
            return self._slots[number - self._first].batch

    def finish(self, number: int) -> None:
        """A lane has filled its rows of the batch."""
        with self._changed:
            # After a close the slots are gone.
            if self._is_closed:
                return
            self._slots[number - self._first].num_lanes_left -= 1
            self._changed.notify_all()

    def end(self) -> None:
        """A lane has come to the end of what was asked for."""
        with self._changed:
            self._num_lanes_ended += 1
            self._changed.notify_all()

    def fail(self, error: Exception) -> None:
        """A lane cannot go on. Batches before the error can still be taken."""
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def take(self) -> Batch | None:
        """The next batch, which is then the caller's; waits until it is whole. None at the end, or once closed.

        Raises what a lane failed with.
        """
        with self._changed:
            # A Ctrl-C that comes just before the wait does not end it: Python looks again whenever it wakes.
            while not self._changed.wait_for(self._is_decided, timeout=_WAKE_SECONDS):
                pass
            if self._slots and self._slots[0].num_lanes_left == 0:
                self._first += 1
                self._changed.notify_all()
                return self._slots.popleft().batch
            if self._error is not None and not self._is_closed:
                raise self._error
            return None

    def close(self) -> None:
        """Wakes everybody, and lets go of the batches. May be called twice."""
        with self._changed:
            self._is_closed = True
            self._slots.clear()
            self._changed.notify_all()

    def _is_decided(self) -> bool:
        is_whole = bool(self._slots) and self._slots[0].num_lanes_left == 0
        return is_whole or self._is_closed or self._error is not None or self._num_lanes_ended == self._num_lanes
