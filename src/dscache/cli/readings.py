"""What two looks at a server tell: INFO and CLIENT LIST at two moments, and the rates between them.

Nothing here talks to a server or a terminal. Servers other than dscache lack some fields: what depends on
them is None then, and ``dscache top`` leaves it out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from dscache.engine.histogram import quantile_of

#: Flags in CLIENT LIST of who is blocked, in any server.
_BLOCKED_FLAG: Final = "b"
#: What INFO latencystats of dscache has histograms of.
DISK_EVENTS: Final = ("load", "epoch", "sync")


@dataclass(frozen=True, slots=True)
class Sample:
    """What a server has said at one moment."""

    #: By a clock that only goes forward, in seconds.
    when: float
    #: How long the server took to answer PING, in milliseconds.
    ping_ms: float
    #: The fields of INFO.
    info: dict[str, str]
    #: The fields of each line of CLIENT LIST.
    clients: list[dict[str, str]] = field(default_factory=list)
    #: LATENCY LATEST: event to (milliseconds of the last spike, of the worst).
    spikes: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CommandUse:
    """How much a command was used."""

    name: str
    calls_per_second: float
    #: The share of the time that passed, from 0 to 1.
    busy: float
    us_per_call: float


@dataclass(frozen=True, slots=True)
class WaitingClient:
    """A client whose command cannot go on."""

    address: str
    command: str
    #: ``disk``, ``flush`` and the like, or ``change`` where the server does not say.
    reason: str
    ms: int


@dataclass(frozen=True, slots=True)
class DiskLatency:
    """How long the disk took for loads, epochs or syncs, in milliseconds."""

    event: str
    p50_ms: float
    p99_ms: float
    #: Since the last look; if not, ever.
    is_recent: bool


def parse_info(text: str) -> dict[str, str]:
    """The fields of INFO's reply."""
    lines = [line.partition(":") for line in text.splitlines() if not line.startswith("#")]
    return {name: value for name, colon, value in lines if colon}


def parse_clients(text: str) -> list[dict[str, str]]:
    """The fields of each client in CLIENT LIST's reply."""
    return [_pairs(line.split(" ")) for line in text.splitlines() if line]


def _pairs(words: list[str]) -> dict[str, str]:
    parts = [word.partition("=") for word in words]
    return {name: value for name, equals, value in parts if equals}


class Readings:
    """What ``after`` says, and what has happened since ``before`` (None: nothing is known of that)."""

    def __init__(self, before: Sample | None, after: Sample) -> None:
        self._before: Final = before
        self._after: Final = after
        self.ping_ms: Final = after.ping_ms
        self.spikes: Final = after.spikes

    def text(self, name: str) -> str:
        """A field of INFO; empty if the server has none of that name."""
        return self._after.info.get(name, "")

    def number(self, name: str) -> float | None:
        """A field of INFO that is a number."""
        return _number(self._after.info, name)

    def rate(self, name: str) -> float | None:
        """How much a counter grows in a second. A counter that was reset has not grown."""
        grown = self._grown(name)
        return None if grown is None else grown / self._seconds()

    def _seconds(self) -> float:
        assert self._before is not None, "growth is known only between two samples"
        return max(self._after.when - self._before.when, 1e-6)

    def _grown(self, name: str) -> float | None:
        before = None if self._before is None else _number(self._before.info, name)
        after = self.number(name)
        return None if before is None or after is None else max(after - before, 0.0)

    def hit_ratio(self) -> float | None:
        """The share of lookups that memory answered since the last look; if there were none, ever.

        Of dscache: that memory answered and not the disk. Of other servers, which have only memory: that
        found a key.
        """
        kind = "cache" if "cache_hits" in self._after.info else "keyspace"
        hits, misses = self._grown(f"{kind}_hits"), self._grown(f"{kind}_misses")
        if not hits and not misses:
            hits, misses = self.number(f"{kind}_hits"), self.number(f"{kind}_misses")
        total = (hits or 0.0) + (misses or 0.0)
        return (hits or 0.0) / total if total else None

    def memory_share(self) -> float | None:
        """used_memory as a share of maxmemory; None if there is no bound."""
        used, bound = self.number("used_memory"), self.number("maxmemory")
        return used / bound if used is not None and bound else None

    def keys(self) -> int:
        """Keys of all databases."""
        databases = [
            _pairs(value.split(","))
            for name, value in self._after.info.items()
            if name.startswith("db") and name[2:].isdigit()
        ]
        return sum(int(one.get("keys", "0")) for one in databases)

    def commands(self) -> list[CommandUse]:
        """The commands that were called since the last look, or ever if this is the first."""
        found: list[CommandUse] = []
        for name in self._after.info:
            if not name.startswith("cmdstat_"):
                continue
            calls, us = self._command_totals(self._after, name)
            seconds = self.number("uptime_in_seconds") or 1.0
            if self._before is not None:
                calls_before, us_before = self._command_totals(self._before, name)
                if calls >= calls_before:  # they were not reset
                    calls, us = calls - calls_before, us - us_before
                seconds = self._seconds()
            if calls:
                shown = name.removeprefix("cmdstat_").replace("|", " ")
                found.append(CommandUse(shown, calls / seconds, us / 1e6 / seconds, us / calls))
        return found

    def _command_totals(self, sample: Sample, name: str) -> tuple[int, int]:
        fields = _pairs(sample.info.get(name, "").split(","))
        return int(fields.get("calls", "0")), int(fields.get("usec", "0"))

    def disk_latencies(self) -> list[DiskLatency]:
        """How long what the disk did since the last look took; where it did nothing, all that it ever did."""
        found: list[DiskLatency] = []
        for event in DISK_EVENTS:
            counts = grown = _buckets(self._after, event)
            if self._before is not None:
                before = _buckets(self._before, event)
                grown = {us: count - before.get(us, 0) for us, count in counts.items()}
                if any(us not in counts for us in before) or any(n < 0 for n in grown.values()):
                    grown = counts  # they were reset
            is_recent = self._before is not None and any(grown.values())
            shown = grown if is_recent else counts
            if shown:
                p50, p99 = (quantile_of(shown, share) / 1000 for share in (0.5, 0.99))
                found.append(DiskLatency(event, p50, p99, is_recent))
        return found

    def waiting(self) -> list[WaitingClient]:
        """The clients that wait for something, the longest first."""
        found: list[WaitingClient] = []
        for client in self._after.clients:
            reason, _, ms = client.get("wait", "").partition(":")
            if not reason and _BLOCKED_FLAG in client.get("flags", ""):
                reason, ms = "change", str(1000 * int(client.get("idle", "0")))
            if reason:
                command = client.get("cmd", "").replace("|", " ")
                waits = WaitingClient(client.get("addr", ""), command, reason, int(ms or "0"))
                found.append(waits)
        return sorted(found, key=lambda one: -one.ms)


def _buckets(sample: Sample, event: str) -> dict[int, int]:
    """{microseconds: how many took up to that}, ascending."""
    fields = _pairs(sample.info.get(f"disk_latency_buckets_usec_{event}", "").split(","))
    return {int(us): int(count) for us, count in fields.items()}


def _number(info: dict[str, str], name: str) -> float | None:
    try:
        return float(info[name])
    except (KeyError, ValueError):
        return None
