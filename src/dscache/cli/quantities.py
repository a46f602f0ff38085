"""Figures as people read them: numbers with their units, and as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_TICKS: Final = "▁▂▃▄▅▆▇█"


def count_text(number: float | None) -> str:
    """A number of things: all digits of small ones, three of large ones; ``-`` if it is not known."""
    if number is None:
        return "-"
    if number < 100 and number != int(number):
        return f"{number:.1f}"
    if number < 1e6:
        return f"{number:,.0f}"
    return f"{number / 1e6:,.1f} M" if number < 1e9 else f"{number / 1e9:,.1f} G"


def bytes_text(number: float | None) -> str:
    """A number of bytes in the unit that suits."""
    if number is None:
        return "-"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(number) < 1024:
            digits = 0 if unit == "B" or abs(number) >= 100 else 1
            return f"{number:.{digits}f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def seconds_text(seconds: float) -> str:
    """A time in the largest unit that it fills."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"


def milliseconds_text(ms: float) -> str:
    """A number of milliseconds with three digits, or more where it is large."""
    digits = 2 if ms < 10 else 1 if ms < 100 else 0
    return f"{ms:,.{digits}f}"


def sparkline(values: Sequence[float], columns: int, top: float = 0.0) -> str:
    """The last ``columns`` values as bars; the highest is ``top``, or the largest of them."""
    shown = list(values)[-columns:] if columns > 0 else []
    highest = top or max(shown, default=0.0)
    if not highest:
        return _TICKS[0] * len(shown)
    steps = len(_TICKS) - 1
    return "".join(_TICKS[min(round(value / highest * steps), steps)] for value in shown)


def bar(share: float, columns: int) -> str:
    """A share, from 0 to 1, as a bar."""
    filled = min(round(share * columns), columns)
    return "█" * filled + "░" * (columns - filled)
