"""Which samples a stream goes through, and how often: parts of splits, and several splits as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from millrace.checks import check_integer
from millrace.dataset_info import DatasetInfo
from millrace.errors import UsageError


@dataclass(frozen=True)
class Selection:
    """The samples of a split that take part. As it is made: all of them, each once an epoch."""

    #: Sample ids, each once, in the order that shuffle `none` gives them in. Not beside classes.
    ids: Sequence[int] = ()
    #: Labels whose samples take part, each once.
    classes: Sequence[int] = ()
    #: Every class equally often. A class that is smaller is gone through several times an epoch, which has as many positions as there
    #: are samples.
    balance_classes: bool = False
    #: How often the samples of `classes[i]` come, relative to the others: whole numbers of 1 to 2^20.
    class_weights: Sequence[int] = ()

    def __post_init__(self) -> None:
        for name in ("ids", "classes", "class_weights"):
            # Arrays too; and what is kept does not change under the stream.
            values = tuple(int(value) for value in getattr(self, name))
            check_integer(f"selection.{name}", min(values, default=0), 0)
            object.__setattr__(self, name, values)

    @staticmethod
    def from_file(path: str | Path) -> Selection:
        """The ids of a file, one a line; empty lines are left out. Raises UsageError naming the line that holds no id."""
        ids: list[int] = []
        for number, line in enumerate(Path(path).read_text().split("\n"), 1):
            word = line.strip()
            if word and not (word.isascii() and word.isdigit()):
                raise UsageError("selection.ids", f"{path}, line {number}: expected a sample id, got {word!r}")
            ids += [int(word)] if word else []
        if not ids:
            raise UsageError("selection.ids", f"{path} holds no sample id")
        return Selection(ids)

    def num_samples(self, info: DatasetInfo) -> int:
        """Positions of an epoch over this part of a split.

        Raises UsageError when it is of classes, and the server does not know how many samples each has.
        """
        if self.ids or not self.classes:
            return len(self.ids) or info.num_samples
        counts = info.class_counts
        if not counts:
            raise UsageError(
                "selection.classes",
                f"the samples of each class of {info.dataset}/{info.split} have not been counted; prepare it again with this version",
            )
        # A label that there is not is the server's to name.
        return sum(counts[label] for label in self.classes if label < len(counts))


@dataclass(frozen=True)
class Source:
    """A split that is interleaved with others."""

    dataset: str
    split: str
    #: How often its samples come, relative to those of the others, a whole number of 1 to 2^31; None in all sources: by their numbers of
    #: samples, so that each sample comes once an epoch.
    weight: int | None = None
    selection: Selection | None = None

    def __post_init__(self) -> None:
        if self.weight is not None:
            check_integer("weight", self.weight, 1, 1 << 31)

    def num_samples(self, info: DatasetInfo) -> int:
        """See `Selection.num_samples`."""
        return (self.selection or Selection()).num_samples(info)


@dataclass(frozen=True)
class BlockShape:
    """The grain of shuffle `blocks`."""

    #: Neighbouring samples that stay together.
    block_samples: int = 64
    #: Blocks that are shuffled into each other.
    window_blocks: int = 128

    def __post_init__(self) -> None:
        check_integer("blocks.block_samples", self.block_samples, 1, 1 << 24)
        check_integer("blocks.window_blocks", self.window_blocks, 1, 1 << 24)
