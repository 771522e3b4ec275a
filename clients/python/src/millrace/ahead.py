"""Batches on their way to a device: what the streams of PyTorch and JAX share."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from millrace.batch import Batch
from millrace.options import Position
from millrace.stream import Stream

_Begun = TypeVar("_Begun")


class Begun(NamedTuple, Generic[_Begun]):
    """A batch that was begun: what `begin` gave, and where it stands."""

    value: _Begun
    next_position: Position
    is_last_step: bool


class Ahead(Iterator[Begun[_Begun]]):
    """Begins batches `num_ahead` before they are asked for. Its state is that of the last one given, however much is under way."""

    def __init__(self, stream: Stream, begin: Callable[[Batch], _Begun], num_ahead: int) -> None:
        self._stream = stream
        self._begin = begin
        self._num_ahead = num_ahead
        self._begun: deque[Begun[_Begun]] = deque()
        #: Of the batch that is given next.
        self.position = stream.position

    def __next__(self) -> Begun[_Begun]:
        """The next one. Raises what the `next` of `Stream` raises."""
        while len(self._begun) <= self._num_ahead and (batch := next(self._stream, None)) is not None:
            self._begun.append(Begun(self._begin(batch), batch.next_position, batch.is_last_step))
            # Its memory is free for another one as soon as what was begun lets go of it.
            del batch
        if not self._begun:
            raise StopIteration
        begun = self._begun.popleft()
        self.position = begun.next_position
        return begun

    def seek(self, position: Position) -> None:
        """Goes on at another batch. Raises what `Stream.seek` raises."""
        self._begun.clear()
        self._stream.seek(position)
        self.position = self._stream.position

    def state_dict(self) -> dict[str, Any]:
        """The address of the batch after the last one given, as `Stream.state_dict`."""
        return self._stream.state_at(self.position)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where the state was taken. Raises what `Stream.load_state_dict` raises."""
        self._stream.load_state_dict(state)
        self._begun.clear()
        self.position = self._stream.position

    def close(self) -> None:
        """Stops receiving; no thread is left."""
        self._begun.clear()
        self._stream.close()
