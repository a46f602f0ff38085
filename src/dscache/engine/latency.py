"""The latency monitor: spikes above ``latency-monitor-threshold`` milliseconds, by kind of event, and
histograms of what is waited for on the disk, which INFO latencystats and the metrics show.

Kinds are Redis's where Redis has the event (``command``, ``fast-command``, ``expire-cycle``,
``eviction-cycle``) and ours for the disk: ``load`` (a client's wait for a key), ``epoch`` (cut to
commit).
"""

from __future__ import annotations

from collections import deque
from typing import Final

from dscache.engine.histogram import Histogram

_HISTORY: Final = 160


class Spikes:
    """The spikes of one kind: at most one a second is kept, the worst."""

    def __init__(self) -> None:
        self.samples: deque[tuple[int, int]] = deque(maxlen=_HISTORY)
        self.worst_ms = 0

    def add(self, when: int, ms: int) -> None:
        """Note a spike at ``when`` (seconds since the epoch)."""
        self.worst_ms = max(self.worst_ms, ms)
        if self.samples and self.samples[-1][0] == when:
            self.samples[-1] = (when, max(ms, self.samples[-1][1]))
        else:
            self.samples.append((when, ms))


class LatencyMonitor:
    """See the module's docstring."""

    def __init__(self) -> None:
        #: Directive latency-monitor-threshold; 0 is off.
        self.threshold_ms = 0
        self.events: dict[str, Spikes] = {}
        #: Clients' waits for keys from the disk; epochs, from cut to commit; syncs of the redo log.
        self.loads = Histogram()
        self.epochs = Histogram()
        self.syncs = Histogram()

    def note_load(self, when: float, seconds: float) -> None:
        """A client has waited for keys."""
        self.loads.record(int(seconds * 1_000_000))
        self.note("load", when, seconds)

    def note_epoch(self, when: float, seconds: float) -> None:
        """An epoch has been committed."""
        self.epochs.record(int(seconds * 1_000_000))
        self.note("epoch", when, seconds)

    def note_sync(self, seconds: float) -> None:
        """The redo log has been synced."""
        self.syncs.record(int(seconds * 1_000_000))

    def disk_histograms(self) -> list[tuple[str, Histogram]]:
        """The histograms by the names of what they count."""
        return [("load", self.loads), ("epoch", self.epochs), ("sync", self.syncs)]

    def reset_histograms(self) -> None:
        """CONFIG RESETSTAT."""
        self.loads = Histogram()
        self.epochs = Histogram()
        self.syncs = Histogram()

    def note(self, event: str, when: float, seconds: float) -> None:
        """Record ``event`` if it took too long."""
        ms = int(seconds * 1000)
        if 0 < self.threshold_ms <= ms:
            self.events.setdefault(event, Spikes()).add(int(when), ms)

    def reset(self, events: list[str]) -> int:
        """Forget ``events``, all if none are named; how many kinds were forgotten."""
        chosen = events or list(self.events)
        return sum(self.events.pop(event, None) is not None for event in chosen)
