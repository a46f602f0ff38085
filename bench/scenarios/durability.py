"""What safety costs: the redo log in its three modes, and reading it after a crash.

1. *sync*: SET by redis-benchmark, 50 clients, 100,000 keys, with the log off, synced each second, and
   synced before each reply, beside the relatives with the same setting (``peers.py`` says what each
   means).
2. *replay*: a server that does not commit (``cache-flush-delay`` of an hour, memory for everything)
   takes SETs, is killed, and starts again: seconds until PONG, less those of a start without a log, per
   million commands.
"""

from __future__ import annotations

from typing import Final

from bench import load, peers, redis_benchmark
from bench.peers import Durability, Kind
from bench.ratios import pairwise, spread
from bench.redis_benchmark import Measurement
from bench.report import Report
from bench.settings import Settings

_REQUESTS: Final = {1: 50_000, 16: 250_000}
_ALWAYS_SHARE: Final = 4  # with a sync for each group of replies fewer requests will do
_MAXMEMORY_BYTES: Final = 256 << 20
_QUICK_SHARE: Final = 4

# The least share of valkey's rate, where there is a log.
_GOAL: Final = 1.0

_REPLAYED: Final = 1_000_000
_REPLAY_BYTES: Final = 100


def run(settings: Settings) -> Report:
    """Throughput by mode, replay by length."""
    report = Report("durability")
    if redis_benchmark.is_present():
        for durability in Durability:
            _sync(report, settings, durability)
    else:
        report.notes.append("redis-benchmark is not installed: no throughput")
    _replay(report, settings)
    return report


def _sync(report: Report, settings: Settings, durability: Durability) -> None:
    table = report.table(
        f"SET, 100,000 keys, durability {durability}, {settings.runs} rounds",
        *("server", "pipeline", "requests/s", f"{settings.subject} / it", "p50 ms", "p99 ms"),
    )
    with (
        settings.workplace() as place,
        peers.all_running(settings.subject, place, _MAXMEMORY_BYTES, durability) as servers,
    ):
        for pipeline, requests in _REQUESTS.items():
            count = requests // _QUICK_SHARE if settings.quick else requests
            if durability is Durability.ALWAYS:
                count //= _ALWAYS_SHARE
            taken: dict[Kind, list[Measurement]] = {server.kind: [] for server in servers}
            for _ in range(settings.runs):
                for server in servers:
                    taken[server.kind].append(
                        redis_benchmark.measure(
                            server, "set", pipeline, count, redis_benchmark.KEYS
                        )
                    )
            subject = [run.per_second for run in taken[settings.subject]]
            for kind, runs in taken.items():
                rates = [run.per_second for run in runs]
                ratio = pairwise(subject, rates)
                table.add(
                    kind,
                    str(pipeline),
                    spread(rates).text(),
                    "" if kind is settings.subject else ratio.text(2),
                    spread([run.p50_ms for run in runs]).text(2),
                    spread([run.p99_ms for run in runs]).text(2),
                )
                report.figures[f"{durability}.pipeline_{pipeline}.{kind}.per_second"] = rates
                if kind is Kind.VALKEY and durability is not Durability.NONE:
                    work = f"SET, appendfsync {durability}, 50 clients, pipeline {pipeline}"
                    report.goal_of_ratio(work, _GOAL, ratio, kind)


def _replay(report: Report, settings: Settings) -> None:
    count = _REPLAYED // _QUICK_SHARE if settings.quick else _REPLAYED
    # What is not committed stays in memory.
    memory = 16 * _MAXMEMORY_BYTES
    table = report.table(
        "Start after SIGKILL", "commands in the log", "seconds", "seconds without a log"
    )
    if settings.subject is not Kind.DSCACHE:
        return
    for _ in range(settings.runs if settings.quick else 3):
        with settings.workplace() as place:
            with peers.running(
                settings.subject, place, memory, Durability.EVERYSEC, _NEVER_COMMITS
            ) as server:
                empty_s = server.start_s
                load.populate(server.port, count, _REPLAY_BYTES)
                server.kill()
            with peers.running(settings.subject, place, memory, Durability.EVERYSEC) as server:
                full_s = server.start_s
                # The last hundredth of a second may have been on its way to the log.
                if server.dbsize() < count * 0.99:
                    report.failures.append(f"{server.dbsize():,} keys of {count:,} are there")
        table.add(f"{count:,}", f"{full_s:.2f}", f"{empty_s:.2f}")
        report.figures.setdefault("replay.seconds_per_million", [])
        figures = report.figures["replay.seconds_per_million"]
        assert isinstance(figures, list)
        figures.append((full_s - empty_s) * 1e6 / count)


_NEVER_COMMITS: Final = ("--cache-flush-delay", "3600")
