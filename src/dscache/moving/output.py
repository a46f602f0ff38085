"""What the writers of all formats have in common."""

from __future__ import annotations

from typing import Protocol


class Output(Protocol):
    """What writes a file of some format. Its methods are called in their order here."""

    def library(self, source: bytes) -> None:
        """A library of functions."""
        ...

    def database(self, index: int, keys: int, expires: int) -> None:
        """The keys that follow belong to database ``index``; about how many they are, and how many of them
        expire."""
        ...

    def key(self, key: bytes, value: object, expire_ms: int) -> None:
        """A key, which is due at ``expire_ms``; 0 for never. The value belongs to nobody else."""
        ...

    def end(self) -> None:
        """That was all."""
        ...
