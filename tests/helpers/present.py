"""What may be missing in general, where a test knows that it is there."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def present(value: T | None) -> T:
    """The value itself; fails where there is none."""
    assert value is not None
    return value
