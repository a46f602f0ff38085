"""Containers of a million elements, against valkey: what is said to be O(1) or O(log n) is as fast there.

One hash, list and sorted set of a million elements each, in every server; then redis-benchmark with random
elements, 50 clients, pipeline 16, the servers in turn within each round. Everything has been committed
before, and what the writes of a round change is committed meanwhile.
"""

from typing import Final

from bench import peers, redis_benchmark
from bench.client import Client
from bench.peers import Kind, Server
from bench.ratios import pairwise, spread
from bench.report import Report
from bench.settings import Settings

_MAXMEMORY_BYTES: Final = 1 << 30
_ELEMENTS: Final = 1_000_000
_QUICK_ELEMENTS: Final = 50_000
_REQUESTS: Final = 40_000
_QUICK_SHARE: Final = 4
_PIPELINE: Final = 16
_AT_ONCE: Final = 1_000
_GOAL: Final = 0.5

# redis-benchmark puts twelve digits in the place of __rand_int__.
_TESTS: Final = {
    "ZADD": ("ZADD", "zset", "__rand_int__", "member:__rand_int__"),
    "ZRANK": ("ZRANK", "zset", "member:__rand_int__"),
    "ZRANGE": ("ZRANGE", "zset", "500", "509"),
    "HSET": ("HSET", "hash", "field:__rand_int__", "xxxxxxxxxxxxxxxxxxxx"),
    "HGET": ("HGET", "hash", "field:__rand_int__"),
    "LPUSH": ("LPUSH", "list", "xxxxxxxxxxxxxxxxxxxx"),
    "LRANGE_100": ("LRANGE", "list", "0", "99"),
}


def run(settings: Settings) -> Report:
    """Requests a second on large containers, and the ratio to valkey."""
    report = Report("million")
    if not redis_benchmark.is_present():
        report.failures.append("redis-benchmark is not installed")
        return report
    elements = _QUICK_ELEMENTS if settings.quick else _ELEMENTS
    count = _REQUESTS // _QUICK_SHARE if settings.quick else _REQUESTS
    with (
        settings.workplace() as place,
        peers.all_running(
            settings.subject, place, _MAXMEMORY_BYTES, settings.durability
        ) as servers,
    ):
        for server in servers:
            _fill(server, elements)
            server.settle()
        table = report.table(
            f"Containers of {elements:,}, pipeline {_PIPELINE}, {count:,} requests"
            f" x {settings.runs} rounds",
            *("command", f"{settings.subject} requests/s"),
            *(f"/ {server.kind}" for server in servers[1:]),
        )
        for name, words in _TESTS.items():
            rates: dict[Kind, list[float]] = {server.kind: [] for server in servers}
            for _ in range(settings.runs):
                for server in servers:
                    rates[server.kind].append(
                        redis_benchmark.measure_command(server, words, _PIPELINE, count, elements)
                    )
            subject = rates.pop(settings.subject)
            ratios = {kind: pairwise(subject, others) for kind, others in rates.items()}
            table.add(name, spread(subject).text(), *(ratio.text(2) for ratio in ratios.values()))
            report.figures[f"{name}.per_second"] = subject
            for kind, ratio in ratios.items():
                report.figures[f"{name}.{kind}.subject_ratio"] = ratio.median
            if Kind.VALKEY in ratios:
                work = f"{name} on {elements:,} elements, pipeline {_PIPELINE}"
                report.goal_of_ratio(work, _GOAL, ratios[Kind.VALKEY], Kind.VALKEY)
    return report


def _fill(server: Server, elements: int) -> None:
    with Client(server.port) as client:
        for start in range(0, elements, _AT_ONCE):
            numbers = range(start, start + _AT_ONCE)
            # Scores in no order: 7919 and the elements have no common divisor.
            scored = [
                word for n in numbers for word in (str(n * 7919 % elements), f"member:{n:012d}")
            ]
            fields = [word for n in numbers for word in (f"field:{n:012d}", "x" * 20)]
            client.command("ZADD", "zset", *scored)
            client.command("HSET", "hash", *fields)
            client.command("RPUSH", "list", *(["x" * 20] * _AT_ONCE))
