"""Directives as Python gives them: ``maxmemory="1gb"``, ``appendonly=False``, ``cache_flush_delay=0.5``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

#: What a directive may be given as: text as in the configuration file, a number, a truth value, or several
#: words or paths.
DirectiveValue = str | int | float | bool | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def as_overrides(directives: Mapping[str, DirectiveValue]) -> list[tuple[str, list[str]]]:
    """``directives``, whose names have ``_`` for ``-``, as a command line would give them; sorted."""
    return sorted((name.replace("_", "-"), _words(value)) for name, value in directives.items())


def _words(value: DirectiveValue) -> list[str]:
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    if isinstance(value, str | int | float):
        return [str(value)]
    if isinstance(value, os.PathLike):
        return [os.fspath(value)]
    return [os.fspath(word) for word in value]
