"""300,000 keys of 300 bytes through 20 MB: the 2011 demonstration, and its weak spot.

One connection, pipeline 50, writes all keys, then reads them all in random order; about every fifth
is resident. The old disk store stopped the whole server for each of the others. Here
``cache_blocking_loads``, the loads that did so, must be 0. Every value is checked.
"""

from dataclasses import dataclass
from typing import Final

from bench import load, peers
from bench.cache_counters import blocking_loads, counters, percent
from bench.load import Load, Result
from bench.peers import Kind
from bench.ratios import spread
from bench.report import Report
from bench.settings import Settings
from bench.zipf import RandomOrder

KEYS: Final = 300_000
VALUE_BYTES: Final = 300
MAXMEMORY_BYTES: Final = 20 << 20
_PIPELINE: Final = 50
# Kvrocks 2.3 on two cores of a quiet machine, by the same load: writes and reads a second.
_KVROCKS: Final = (52_000, 48_000)


@dataclass(frozen=True, slots=True)
class _Round:
    """One data set, written and read."""

    writes: Result
    write_cores: float
    reads: Result
    read_cores: float
    hit_ratio: float | None
    blocking: int | None


def run(settings: Settings) -> Report:
    """Writes and random reads a second, and that nothing blocked. Already small: no quick form."""
    report = Report("through_20mb")
    rounds = [_measure(settings) for _ in range(settings.runs)]
    table = report.table(
        f"{KEYS:,} keys of {VALUE_BYTES} bytes, 20 MiB, one connection, pipeline {_PIPELINE}, "
        f"{len(rounds)} rounds",
        *("load", "requests/s", "hit ratio", "server cores", "generator busy"),
    )
    table.add(
        "writes",
        spread([one.writes.per_second for one in rounds]).text(),
        "",
        spread([one.write_cores for one in rounds]).text(2),
        spread([one.writes.busy for one in rounds]).text(2),
    )
    table.add(
        "random reads",
        spread([one.reads.per_second for one in rounds]).text(),
        percent(rounds[-1].hit_ratio),
        spread([one.read_cores for one in rounds]).text(2),
        spread([one.reads.busy for one in rounds]).text(2),
    )
    report.figures["writes.per_second"] = [one.writes.per_second for one in rounds]
    report.figures["reads.per_second"] = [one.reads.per_second for one in rounds]
    _judge(report, settings, rounds)
    for name, results, least in (
        ("load", [one.writes for one in rounds], _KVROCKS[0]),
        ("random read", [one.reads for one in rounds], _KVROCKS[1]),
    ):
        rates = spread([one.per_second for one in results])
        report.goal(
            f"{KEYS:,} keys through 20 MB: {name}",
            f"> {least:,}/s (Kvrocks 2.3, quiet machine)",
            rates.text(),
            rates.median > least,
        )
    return report


def _measure(settings: Settings) -> _Round:
    with (
        settings.workplace() as place,
        peers.running(settings.subject, place, MAXMEMORY_BYTES, settings.durability) as server,
    ):
        cpu = server.cpu()
        writes = load.populate(server.port, KEYS, VALUE_BYTES)
        write_cores = server.cpu().since(cpu).total_s / writes.elapsed_s
        counted, cpu = counters(server), server.cpu()
        reads = load.run_one(
            Load(
                port=server.port,
                keys=RandomOrder(0, KEYS),
                value_size=VALUE_BYTES,
                pipeline=_PIPELINE,
                check=True,
            )
        )
        return _Round(
            writes=writes,
            write_cores=write_cores,
            reads=reads,
            read_cores=server.cpu().since(cpu).total_s / reads.elapsed_s,
            hit_ratio=counters(server).hit_ratio_since(counted),
            blocking=blocking_loads(server),
        )


def _judge(report: Report, settings: Settings, rounds: list[_Round]) -> None:
    counts = [one.blocking for one in rounds if one.blocking is not None]
    report.notes.append(f"cache_blocking_loads: {max(counts) if counts else 'n/a'}")
    if settings.subject is Kind.DSCACHE and not counts:
        report.failures.append("INFO has no cache_blocking_loads")
    if any(counts):
        report.failures.append(f"{max(counts)} loads blocked the server")
    absent = sum(one.reads.absent for one in rounds)
    wrong = sum(one.reads.wrong_batches for one in rounds)
    if absent or wrong:
        report.failures.append(f"{absent} absent keys, {wrong} batches with a wrong value")
