"""What a checkpoint keeps of a stream, and where another stream goes on from it: also one of another world size or batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from millrace.dataset_info import DatasetInfo
from millrace.errors import MillraceError, UsageError
from millrace.options import Position, StreamOptions

_FORMAT: Final = 1


def run_state(options: StreamOptions, info: DatasetInfo, position: Position) -> dict[str, Any]:
    """Small and plain (numbers and strings): fits JSON, pickle, and `torch.load(weights_only=True)`."""
    return {
        "format": _FORMAT,
        "dataset": options.dataset,
        "split": options.split,
        "version": info.version,
        "seed": options.seed,
        "shuffle": options.shuffle,
        "end_of_epoch": options.end_of_epoch,
        "global_batch_size": options.global_batch_size,
        "epoch": position.epoch,
        "step": position.step,
    }


def position_of(state: Mapping[str, Any], options: StreamOptions, info: DatasetInfo) -> Position:
    """Where a stream with these options goes on.

    The order of the samples depends on neither world size nor batch. So any world goes on with the same global batch, and another
    global batch at the same sample, if one of its steps begins there.
    Raises UsageError naming what differs, ERR_VERSION_CHANGED when the server has other data than the run began with.
    """
    if state.get("format") != _FORMAT:
        raise UsageError("state", f"expected what state_dict() gave, with format {_FORMAT}; got {dict(state)!r}")
    for name in ("dataset", "split", "seed", "shuffle", "end_of_epoch"):
        if state[name] != getattr(options, name):
            raise UsageError(
                name,
                f"the run to go on with has {state[name]!r}, this stream {getattr(options, name)!r}; make them the same",
            )
    if state["version"] != info.version:
        raise MillraceError(
            "ERR_VERSION_CHANGED",
            f"the run began on version {state['version']} of {info.dataset}/{info.split}, the servers have {info.version}: "
            "bring the old data back, or start a new run",
        )
    position = Position(state["epoch"], state["step"])
    before, now = state["global_batch_size"], options.global_batch_size
    if before == now or position.step == 0:
        return position
    if options.end_of_epoch == "wrap":
        raise UsageError(
            "batch_size", f"with end_of_epoch 'wrap' a run keeps its global batch of {before}; this stream has {now}"
        )
    samples = position.step * before
    if samples % now:
        raise UsageError(
            "batch_size",
            f"the run stopped {samples} samples into epoch {position.epoch}, where no step of a global batch of {now} begins; "
            f"keep the global batch of {before} (batch_size {before} / world_size {options.world_size}), or take a divisor of {samples}",
        )
    return Position(position.epoch, samples // now)
