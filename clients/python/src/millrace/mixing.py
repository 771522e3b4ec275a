"""Mixup and cutmix as a server has drawn them: pictures with their partner's, labels as rows of probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from millrace.errors import UsageError


class MixPlan(NamedTuple):
    """What is to be done with each picture of a batch and its partner, which is picture i XOR 1."""

    #: Share of the picture's own label, and without a box of the picture itself, float32 [N].
    own_share: NDArray[np.float32]
    #: Cutmix: (top, left, bottom, right), the rows and columns that are the partner's; zeros: mixup. int32 [N, 4].
    box: NDArray[np.int32]


def mixed(images: Any, own_share: Any, box: Any, *, is_planar: bool, arange: Callable[[int], Any]) -> Any:
    """Pictures mixed, in the floats that `images` [N, H, W, C] or, planar, [N, C, H, W] and `own_share` have.

    The arrays are NumPy's, PyTorch's or JAX's; `arange` is that of theirs, on their device. N is even.
    """
    num = images.shape[0]
    height, width = images.shape[2:] if is_planar else images.shape[1:3]
    top, left, bottom, right = (box[:, side][:, None, None] for side in range(4))
    rows, columns = arange(height)[None, :, None], arange(width)[None, None, :]
    is_inside = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
    # Of each pixel, [N, H, W]: 0 in a box and 1 around it, else the same everywhere.
    share = own_share[:, None, None] * (bottom == 0) + ((bottom > 0) & ~is_inside)
    share = share[:, None] if is_planar else share[..., None]
    partners = images.reshape(num // 2, 2, *images.shape[1:])[:, [1, 0]].reshape(images.shape)
    return images * share + partners * (1 - share)


def mix_pictures(images: NDArray[np.float32], plan: MixPlan, *, is_planar: bool) -> None:
    """Mixes in place: in float64, rounded once."""
    for first in range(0, len(images), 2):
        pair = slice(first, first + 2)
        images[pair] = mixed(
            images[pair].astype(np.float64),
            plan.own_share[pair].astype(np.float64),
            plan.box[pair],
            is_planar=is_planar,
            arange=np.arange,
        )


def soft_labels(
    labels: NDArray[np.int64], num_classes: int, smoothing: float, plan: MixPlan | None
) -> NDArray[np.float32]:
    """Rows of probabilities, float32 [N, num_classes]: 1 − smoothing on the own label, shared with the partner's, the rest on all alike.

    Raises UsageError when a label is none of the classes.
    """
    wrong = labels[(labels < 0) | (labels >= num_classes)]
    if wrong.size:
        raise UsageError(
            "labels.format",
            f"rows of probabilities cannot be made: expected labels of [0, {num_classes}), got {wrong[0]}",
        )
    rows = np.full((len(labels), num_classes), smoothing / num_classes, dtype=np.float32)
    each = np.arange(len(labels))
    own = np.ones(len(labels)) if plan is None else plan.own_share.astype(np.float64)
    # In float64, rounded to float32 at each step, as servers and other clients count.
    rows[each, labels] = rows[each, labels] + (1 - smoothing) * own
    if plan is not None:
        partners = labels[each ^ 1]
        rows[each, partners] = rows[each, partners] + (1 - smoothing) * (1 - own)
    return rows
