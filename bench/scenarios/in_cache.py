"""Everything in memory: what the disk underneath costs when it is not needed.

redis-benchmark, SET and GET of 100 bytes, 50 clients, one key (its default) and 100,000 random
ones, at pipeline 1, 16 and 64, against every server present, all of them running throughout and
measured in turn within each round. The ratio is formed within a round and its spread over the rounds
is shown.

A rate says little where the client is the bottleneck (at pipeline 64 redis-benchmark needs as much
processor as a fast server), hence the server's own processor time per command, which does not
depend on the client, and ``cores``: what the server used of the machine meanwhile.
All servers run with the same durability; ``peers.py`` says what that means for each.
"""

from typing import Final

from bench import load, peers, redis_benchmark
from bench.peers import Kind, Server
from bench.ratios import pairwise, spread
from bench.redis_benchmark import Measurement
from bench.report import Report
from bench.settings import Settings

_REQUESTS: Final = {1: 50_000, 16: 250_000, 64: 500_000}
_QUICK_SHARE: Final = 4
# The goals: the least share of each relative's rate, by pipeline.
_GOALS: Final = {
    1: {Kind.VALKEY: 1.0},
    16: {Kind.VALKEY: 0.8, Kind.REDIS: 1.0},
    64: {Kind.VALKEY: 0.8, Kind.REDIS: 1.0},
}
_MAXMEMORY_BYTES: Final = 256 << 20


def run(settings: Settings) -> Report:
    """Throughput and CPU per command, the subject beside its relatives."""
    report = Report("in_cache")
    if not redis_benchmark.is_present():
        report.failures.append("redis-benchmark is not installed")
        return report
    with (
        settings.workplace() as place,
        peers.all_running(
            settings.subject, place, _MAXMEMORY_BYTES, settings.durability
        ) as servers,
    ):
        for server in servers:
            load.populate(server.port, redis_benchmark.KEYS, redis_benchmark.VALUE_BYTES)
            server.settle()
        for keys in (1, redis_benchmark.KEYS):
            for test in ("set", "get"):
                for pipeline, requests in _REQUESTS.items():
                    count = requests // _QUICK_SHARE if settings.quick else requests
                    _compare(report, settings, servers, (test, pipeline, count, keys))
    report.notes.append(f"durability of all servers: {settings.durability}")
    return report


def _compare(
    report: Report, settings: Settings, servers: list[Server], what: tuple[str, int, int, int]
) -> None:
    test, pipeline, count, keys = what
    taken: dict[Kind, list[Measurement]] = {server.kind: [] for server in servers}
    for _ in range(settings.runs):
        for server in servers:
            taken[server.kind].append(redis_benchmark.measure(server, test, pipeline, count, keys))
    subject = taken[settings.subject]
    table = report.table(
        f"{test.upper()}, {keys:,} keys, pipeline {pipeline}, {count:,} requests"
        f" x {settings.runs} rounds",
        *("server", "requests/s", f"{settings.subject} / it", "p50 ms", "p99 ms"),
        *("user µs", "system µs", "cores"),
    )
    for kind, runs in taken.items():
        rates = [run.per_second for run in runs]
        ratio = pairwise([run.per_second for run in subject], rates)
        user_us = spread([run.user_us for run in runs])
        system_us = spread([run.system_us for run in runs])
        table.add(
            kind,
            spread(rates).text(),
            "" if kind is settings.subject else ratio.text(2),
            spread([run.p50_ms for run in runs]).text(2),
            spread([run.p99_ms for run in runs]).text(2),
            user_us.text(2),
            system_us.text(2),
            f"{spread([run.server_busy for run in runs]).median:.2f}",
        )
        if kind in _GOALS[pipeline] and kind is not settings.subject:
            many = "one key" if keys == 1 else f"{keys:,} keys"
            work = f"{test.upper()}, {many}, 50 clients, pipeline {pipeline}"
            report.goal_of_ratio(work, _GOALS[pipeline][kind], ratio, kind)
        name = f"{test}.keys_{keys}.pipeline_{pipeline}.{kind}"
        report.figures[f"{name}.per_second"] = rates
        report.figures[f"{name}.subject_ratio"] = ratio.median
        report.figures[f"{name}.user_us"] = user_us.median
        report.figures[f"{name}.system_us"] = system_us.median
