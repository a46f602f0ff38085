"""The figures of the last hour: a sample every few seconds, kept in memory, for the console's charts.

A sample is one number for each figure of INFO that is one, and the count and sum of the histograms of what
waits for the disk, so that whoever reads them can take means over any time. 720 samples of some 160 numbers
take about a megabyte.
"""

from __future__ import annotations

from array import array
from collections import deque
from typing import TYPE_CHECKING, Final

from dscache.engine.figures.figure import TEXT, Figure
from dscache.engine.figures.table import SECTIONS

if TYPE_CHECKING:
    from dscache.engine.engine import Engine

#: Between two samples, and how many are kept: an hour of them.
INTERVAL_SECONDS: Final = 5.0
_SAMPLES: Final = 720

_FIGURES: Final = [
    member
    for section in SECTIONS
    for member in section.members
    if isinstance(member, Figure) and member.kind != TEXT
]
_DISK: Final = ("load", "flush", "fsync")
_NAMES: Final = [
    *(figure.name for figure in _FIGURES),
    *(f"{event}_{what}" for event in _DISK for what in ("count", "seconds")),
]
_PLACES: Final = {name: place for place, name in enumerate(_NAMES)}


class History:
    """See the module's docstring."""

    def __init__(self, engine: Engine) -> None:
        self._engine: Final = engine
        #: Time, in seconds since 1970, and the numbers in the order of the names.
        self._samples: Final[deque[tuple[float, array[float]]]] = deque(maxlen=_SAMPLES)

    def sample(self) -> None:
        """Take a sample. O(clients)."""
        self._samples.append((self._engine.core.clock.time(), array("d", self._numbers())))

    def _numbers(self) -> list[float]:
        engine = self._engine
        latency = engine.latency
        numbers = [float(figure.read(engine)) for figure in _FIGURES]
        for histogram in (latency.loads, latency.epochs, latency.syncs):
            numbers += (float(int(histogram.total)), int(histogram.microseconds) / 1_000_000)
        return numbers

    def now(self) -> dict[str, float]:
        """The present numbers by name. O(clients)."""
        return dict(zip(_NAMES, self._numbers(), strict=True))

    def series(self, names: list[str], since: float) -> dict[str, list[float]]:
        """``names`` over time, those of them that there are, and ``time``; younger than ``since``."""
        samples = [sample for sample in self._samples if sample[0] > since]
        found = {"time": [when for when, _ in samples]}
        for name in names:
            place = _PLACES.get(name)
            if place is not None:
                found[name] = [numbers[place] for _, numbers in samples]
        return found
