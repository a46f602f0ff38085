"""How long the cyclic garbage collector keeps the server waiting while there come to be millions of objects.

One client makes strings, then small hashes, lists and sorted sets, then one hash and one sorted set of many
elements, all of which stay in memory. The server counts its collector's pauses itself
(``bench/collector.py``), in processor time of the event loop's thread.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import bench
from bench import load, peers
from bench.client import Client, encoded
from bench.peers import Kind
from bench.report import Report
from bench.settings import Settings

_MAXMEMORY_BYTES: Final = 8 << 30
_OBJECTS: Final = 5_000_000
_QUICK_OBJECTS: Final = 200_000
_AT_ONCE: Final = 1_000
_STRING_BYTES: Final = 20
_GOAL_MS: Final = 10.0
_COLLECTOR: Final = Path(bench.__file__).parent / "collector.py"

# What is made: its share of all objects, and one of it (strings come from the load generator).
_Maker = Callable[[int], tuple[str, ...]]
_KINDS: Final[dict[str, tuple[float, _Maker | None]]] = {
    "strings": (0.6, None),
    "hashes": (0.1, lambda n: ("HSET", f"h:{n:012d}", "a", "1", "b", "2")),
    "lists": (0.1, lambda n: ("RPUSH", f"l:{n:012d}", "a", "1", "b", "2")),
    "sorted sets": (0.1, lambda n: ("ZADD", f"z:{n:012d}", "1", "a", "2", "b")),
    "fields of a hash": (0.05, lambda n: ("HSET", "hash", f"f:{n:012d}", "1")),
    "members of a sorted set": (0.05, lambda n: ("ZADD", "zset", str(n), f"m:{n:012d}")),
}


def run(settings: Settings) -> Report:
    """Collections, the longest and all of them, by what is made meanwhile."""
    report = Report("pauses")
    if settings.subject is not Kind.DSCACHE:
        report.notes.append("only dscache has this collector")
        return report
    objects = _QUICK_OBJECTS if settings.quick else _OBJECTS
    table = report.table(
        f"{objects:,} objects", "what is made", "collections", "longest ms", "all ms"
    )
    longest_ms = 0.0
    directives = ("--load", str(_COLLECTOR))
    with (
        settings.workplace() as place,
        peers.running(
            settings.subject, place, _MAXMEMORY_BYTES, settings.durability, directives
        ) as server,
        Client(server.port) as client,
    ):
        client.command("GC.PAUSES")
        for name, (share, make) in _KINDS.items():
            count = int(objects * share)
            if make is None:
                load.populate(server.port, count, _STRING_BYTES)
            else:
                _make(client, make, count)
            collections, longest_us, all_us = map(int, client.command("GC.PAUSES").split())
            longest_ms = max(longest_ms, longest_us / 1000)
            table.add(
                f"{count:,} {name}",
                str(collections),
                f"{longest_us / 1000:.1f}",
                f"{all_us / 1000:.0f}",
            )
            report.figures[f"{name}.longest_us"] = longest_us
    report.goal(
        f"{objects:,} objects: longest pause of the cyclic collector",
        f"<= {_GOAL_MS:.0f} ms",
        f"{longest_ms:.1f} ms",
        longest_ms <= _GOAL_MS,
    )
    return report


def _make(client: Client, make: _Maker, count: int) -> None:
    for start in range(0, count, _AT_ONCE):
        numbers = range(start, start + _AT_ONCE)
        client.pipeline(b"".join(encoded(make(n)) for n in numbers), _AT_ONCE)
