"""Checks of what users give."""

from __future__ import annotations

from typing import get_args

from millrace.errors import UsageError


def check_integer(field: str, value: object, least: int, most: int | None = None) -> None:
    """Raises UsageError unless `value` is a whole number in [least, most]."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= least and (most is None or value <= most):
        return
    limit = "" if most is None else f" and at most {most}"
    raise UsageError(field, f"expected a whole number of at least {least}{limit}, got {value!r}")


def check_choice(field: str, value: object, choices: object) -> None:
    """Raises UsageError unless `value` is one of the Literal `choices`."""
    if value not in get_args(choices):
        raise UsageError(field, f"expected one of {', '.join(map(repr, get_args(choices)))}, got {value!r}")
