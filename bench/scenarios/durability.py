"""What safety costs: the redo log in its three modes, reading it after a crash, and bytes written.

1. *sync*: SET by redis-benchmark, 50 clients, 100,000 keys, with the log off, synced each second, and
   synced before each reply, beside the relatives with the same setting (``peers.py`` says what each
   means).
2. *replay*: a server that does not commit (``cache-flush-delay`` of an hour, memory for everything)
   takes SETs, is killed, and starts again: seconds until PONG, less those of a start without a log, per
   million commands.
3. *amplification*: keys of a data set of ten times the memory are overwritten at random; what the kernel
   says the process has written to the disk (``/proc/PID/io``), compactions and log included, per byte of
   keys and values, during a minute.
"""

from __future__ import annotations

from typing import Final

from bench import load, peers, redis_benchmark
from bench.load import Load
from bench.peers import Durability, Kind
from bench.ratios import pairwise, spread
from bench.redis_benchmark import Measurement
from bench.report import Report
from bench.settings import Settings
from bench.zipf import Uniform

_REQUESTS: Final = {1: 100_000, 16: 400_000}
_ALWAYS_SHARE: Final = 4  # with a sync for each group of replies fewer requests will do
_MAXMEMORY_BYTES: Final = 256 << 20
_QUICK_SHARE: Final = 4

_REPLAYED: Final = 1_000_000
_REPLAY_BYTES: Final = 100

_OVERWRITTEN_BYTES: Final = 300
_KEY_BYTES: Final = 16
_TIMES_MEMORY: Final = 10


def run(settings: Settings) -> Report:
    """Throughput by mode, replay by length, bytes written per byte of the user's."""
    report = Report("durability")
    if redis_benchmark.is_present():
        for durability in Durability:
            _sync(report, settings, durability)
    else:
        report.notes.append("redis-benchmark is not installed: no throughput")
    _replay(report, settings)
    _amplification(report, settings)
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


def _amplification(report: Report, settings: Settings) -> None:
    maxmemory = (16 if settings.quick else 64) << 20
    keys = maxmemory * _TIMES_MEMORY // _OVERWRITTEN_BYTES
    table = report.table(
        f"Random overwrites of {keys:,} keys, {_OVERWRITTEN_BYTES} bytes each, maxmemory"
        f" {maxmemory >> 20} MiB",
        *("durability", "writes/s", "MB of keys and values", "MB written to disk", "ratio"),
    )
    for durability in (Durability.NONE, Durability.EVERYSEC):
        with (
            settings.workplace() as place,
            peers.running(settings.subject, place, maxmemory, durability) as server,
        ):
            load.populate(server.port, keys, _OVERWRITTEN_BYTES)
            server.settle()
            before = server.written_bytes()
            result = load.run_one(
                Load(
                    port=server.port,
                    keys=Uniform(0, keys, seed=3),
                    seconds=15.0 if settings.quick else 60.0,
                    value_size=_OVERWRITTEN_BYTES,
                    pipeline=50,
                    write_share=1.0,
                )
            )
            server.settle()
            written = server.written_bytes() - before
        user = result.requests * (_KEY_BYTES + _OVERWRITTEN_BYTES)
        table.add(
            durability,
            f"{result.per_second:,.0f}",
            f"{user / 1e6:,.0f}",
            f"{written / 1e6:,.0f}",
            f"{written / user:.2f}",
        )
        report.figures[f"amplification.{durability}"] = written / user
