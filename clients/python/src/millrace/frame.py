"""An encoded BatchFrame taken apart without a copy of its pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from millrace.v1 import batch_pb2 as pb

FLAG_MIRRORED = 1
FLAG_PADDING = 2

_PIXELS_FIELD = pb.BatchFrame.PIXELS_FIELD_NUMBER
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def _nothing_to_do() -> None: ...


class Frame(NamedTuple):
    """A run of whole samples of one batch: its header, and a view of its pixels where they came."""

    header: pb.BatchFrame
    pixels: NDArray[np.uint8]
    #: To be called once the pixels have been copied, before the copy is used.
    taken: Callable[[], None] = _nothing_to_do


def read_frame(message: bytes) -> Frame:
    """Takes a message apart; the header's own `pixels` may be left empty.

    The protobuf library would copy the pixels twice. Servers put them last; a frame that does not is decoded by the library.
    Raises google.protobuf.message.DecodeError when it is not a BatchFrame.
    """
    begin = _find_last_field(message, _PIXELS_FIELD)
    if begin is None:
        frame = pb.BatchFrame.FromString(message)
        return Frame(frame, np.frombuffer(frame.pixels, dtype=np.uint8))
    at, end_of_tag = begin
    length, content = _varint(message, end_of_tag)
    return Frame(pb.BatchFrame.FromString(message[:at]), np.frombuffer(message, np.uint8, length, content))


def _find_last_field(message: bytes, number: int) -> tuple[int, int] | None:
    """Where the tag of a field of bytes begins and ends, when that field reaches to the end of the message."""
    at, end = 0, len(message)
    try:
        while at < end:
            tag, content = _varint(message, at)
            kind = tag & 7
            if kind == _BYTES:
                length, begin = _varint(message, content)
                if tag >> 3 == number:
                    return (at, content) if begin + length == end else None
                at = begin + length
            elif kind == _VARINT:
                _, at = _varint(message, content)
            elif kind in (_FIXED64, _FIXED32):
                at = content + (8 if kind == _FIXED64 else 4)
            else:
                return None
    except IndexError:
        return None
    return None


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = message[at] & 0x7F
    shift = 7
    while message[at] & 0x80:
        at += 1
        value |= (message[at] & 0x7F) << shift
        shift += 7
    return value, at + 1
