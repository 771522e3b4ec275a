"""What a checkpoint keeps of a stream, and where another stream goes on from it: also one of another world size or batch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from millrace.errors import MillraceError, UsageError
from millrace.options import Position, StreamOptions
from millrace.selection import BlockShape, Selection

_FORMAT: Final = 1


def run_state(options: StreamOptions, versions: Sequence[str], position: Position) -> dict[str, Any]:
    """Small and plain (numbers and strings): fits JSON, pickle, and `torch.load(weights_only=True)`."""
    return {"format": _FORMAT, **_order_of(options, versions), "epoch": position.epoch, "step": position.step}


def _order_of(options: StreamOptions, versions: Sequence[str]) -> dict[str, Any]:
    """What decides which samples come in which order."""
    order: dict[str, Any] = {
        "dataset": options.sources[0].dataset,
        "split": options.sources[0].split,
        "version": "+".join(versions),
        "seed": options.seed,
        "shuffle": options.shuffle,
        "end_of_epoch": options.end_of_epoch,
        "global_batch_size": options.global_batch_size,
    }
    # Lists of ids may be long: of all this a state keeps a digest, and only when there is something of it.
    blocks = options.blocks if options.shuffle == "blocks" and options.blocks != BlockShape() else None
    if blocks is not None or len(options.sources) > 1 or options.sources[0].selection not in (None, Selection()):
        told = {"blocks": blocks and asdict(blocks), "sources": [asdict(source) for source in options.sources]}
        order["selection"] = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
    return order


def position_of(state: Mapping[str, Any], options: StreamOptions, versions: Sequence[str]) -> Position:
    """Where a stream with these options goes on.

    The order of the samples depends on neither world size nor batch. So any world goes on with the same global batch, and another
    global batch at the same sample, if one of its steps begins there.
    Raises UsageError naming what differs, ERR_VERSION_CHANGED when the server has other data than the run began with.
    """
    kept = run_state(options, versions, options.start).keys() - {"selection"}
    if state.get("format") != _FORMAT or not kept <= state.keys():
        raise UsageError("state", f"expected what state_dict() gave, with format {_FORMAT}; got {dict(state)!r}")
    wanted = _order_of(options, versions)
    for name in ("dataset", "split", "seed", "shuffle", "end_of_epoch"):
        if state[name] != wanted[name]:
            raise UsageError(
                name,
                f"the run to go on with has {state[name]!r}, this stream {wanted[name]!r}; make them the same",
            )
    if state.get("selection") != wanted.get("selection"):
        raise UsageError(
            "selection", "the run to go on with had other samples: make selection, weight, mix_with and blocks the same"
        )
    if state["version"] != wanted["version"]:
        raise MillraceError(
            "ERR_VERSION_CHANGED",
            f"the run began on version {state['version']} of {options.names}, the servers have {wanted['version']}: "
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
