"""Opening a large store, and the first answer.

Keys of 100,000 bytes are written through a server with little memory, which is stopped, and started some
times; each time a key is read, too. The goal is about ten gigabytes: below that the verdict is left open.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from bench import load, peers
from bench.client import Client
from bench.peers import Server
from bench.ratios import spread
from bench.report import Report
from bench.requests import key_name, value
from bench.settings import Settings

_VALUE_BYTES: Final = 100_000
_STORE_BYTES: Final = 10_200_000_000
_QUICK_BYTES: Final = 200_000_000
_GOAL_BYTES: Final = 10_000_000_000
_MAXMEMORY_BYTES: Final = 64 << 20
_STARTS: Final = 5
_GOAL_SECONDS: Final = 1.0


def run(settings: Settings) -> Report:
    """Seconds from the start of the process to PONG, and the size of the store then."""
    report = Report("opening")
    wanted = _QUICK_BYTES if settings.quick else _STORE_BYTES
    keys = wanted // _VALUE_BYTES
    with settings.workplace() as place:
        with _start(settings, place) as server:
            result = load.populate(server.port, keys, _VALUE_BYTES)
            server.settle()
        size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
        seconds = []
        for number in range(_STARTS):
            with _start(settings, place) as server, Client(server.port) as client:
                seconds.append(server.start_s)
                key = number * keys // _STARTS
                if client.command("GET", key_name(key)) != value(key, _VALUE_BYTES):
                    report.failures.append(f"key {key} has another value after the start")
    found = spread(seconds)
    table = report.table(
        f"A store of {size / 1e9:.1f} GB, {keys:,} keys", "seconds until PONG", "written MB/s"
    )
    table.add(found.text(2), f"{result.per_second * _VALUE_BYTES / 1e6:,.0f}")
    report.figures["seconds"] = seconds
    report.goal(
        f"opening a store of {_GOAL_BYTES / 1e9:.0f} GB",
        f"< {_GOAL_SECONDS:.0f} s",
        f"{found.text(2)} s, with {size / 1e9:.1f} GB",
        found.median < _GOAL_SECONDS if size >= _GOAL_BYTES else None,
    )
    return report


def _start(settings: Settings, place: Path) -> AbstractContextManager[Server]:
    return peers.running(settings.subject, place, _MAXMEMORY_BYTES, settings.durability)
