"""Containers of 10, 1,000 and 1,000,000 elements: adding and reading, and their way to disk and back.

One container of each type and size at a time, pipeline 16, one connection that sends what was built
beforehand. *flush* is the time until a change of one element of the container is on disk, *load* the
time of the first read after all of memory was let go; both move the whole value.
"""

import random
import time
from collections.abc import Callable
from typing import Final

from bench import peers
from bench.client import Client, encoded
from bench.peers import Kind, Server
from bench.report import Report
from bench.settings import Settings

_MAXMEMORY_BYTES: Final = 1 << 30
_SIZES: Final = (10, 1_000, 1_000_000)
_QUICK_SIZES: Final = (10, 1_000, 50_000)
_READS: Final = 20_000
_PIPELINE: Final = 16

Command = tuple[str, ...]

_TYPES: Final[dict[str, tuple[Callable[[int], Command], Callable[[int], Command]]]] = {
    "hash": (lambda n: ("HSET", "c", f"f{n}", f"value{n}"), lambda n: ("HGET", "c", f"f{n}")),
    "list": (lambda n: ("RPUSH", "c", f"element{n}"), lambda n: ("LRANGE", "c", "0", "9")),
    "set": (lambda n: ("SADD", "c", f"m{n}"), lambda n: ("SISMEMBER", "c", f"m{n}")),
    "sorted set": (
        lambda n: ("ZADD", "c", str(n * 7919 % 1_000_003), f"m{n}"),
        lambda n: ("ZRANK", "c", f"m{n}"),
    ),
    "stream": (
        lambda n: ("XADD", "c", f"{n + 1}-1", "field", f"value{n}"),
        lambda n: ("XRANGE", "c", f"{n + 1}-1", f"{n + 1}-1"),
    ),
}


def run(settings: Settings) -> Report:
    """Elements added and read a second, and the time to disk and back."""
    report = Report("containers")
    kinds = [settings.subject]
    if settings.subject is not Kind.VALKEY and peers.is_present(Kind.VALKEY):
        kinds.append(Kind.VALKEY)
    table = report.table(
        f"One container, pipeline {_PIPELINE}, {_READS:,} reads",
        *("type", "elements", "server", "added/s", "read/s", "flush ms", "load ms"),
    )
    sizes = _QUICK_SIZES if settings.quick else _SIZES
    for name in _TYPES:
        for size in sizes:
            for kind in kinds:
                with (
                    settings.workplace() as place,
                    peers.running(kind, place, _MAXMEMORY_BYTES, settings.durability) as server,
                ):
                    figures = _measure(server, name, size)
                table.add(name, f"{size:,}", kind, *figures.values())
                for figure, value in figures.items():
                    report.figures[f"{name}.{size}.{kind}.{figure}"] = value
    return report


def _measure(server: Server, name: str, size: int) -> dict[str, str]:
    add, read = _TYPES[name]
    source = random.Random(1)
    with Client(server.port) as client:
        added = _rate(client, [add(n) for n in range(size)])
        reads = _rate(client, [read(source.randrange(size)) for _ in range(_READS)])
        flush = load = "-"
        if server.kind is Kind.DSCACHE:
            client.command("CACHE", "FLUSH")
            client.command(*add(size))
            flush = _milliseconds(client, ("CACHE", "FLUSH"))
            client.command("CACHE", "EVICT", "c")
            load = _milliseconds(client, read(0))
    return {"added": f"{added:,.0f}", "read": f"{reads:,.0f}", "flush": flush, "load": load}


def _rate(client: Client, commands: list[Command]) -> float:
    """Commands a second; the requests are built before the clock starts."""
    batches = [
        (
            b"".join(map(encoded, commands[start : start + _PIPELINE])),
            len(commands[start : start + _PIPELINE]),
        )
        for start in range(0, len(commands), _PIPELINE)
    ]
    started = time.perf_counter()
    for batch, count in batches:
        client.pipeline(batch, count)
    return len(commands) / (time.perf_counter() - started)


def _milliseconds(client: Client, words: Command) -> str:
    started = time.perf_counter()
    client.command(*words)
    return f"{(time.perf_counter() - started) * 1000:,.1f}"
