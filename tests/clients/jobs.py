"""What the workers in these tests do. They find it by its name, also in processes of their own."""

from __future__ import annotations

import os


def add(one: int, other: int) -> int:
    """The sum."""
    return one + other


def total(numbers: list[int]) -> int:
    """The sum of all."""
    return sum(numbers)


def process() -> int:
    """Which process did it."""
    return os.getpid()


def fail() -> None:
    """Always."""
    raise ValueError("as asked")
