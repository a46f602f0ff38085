"""Do clients whose keys are in memory suffer from those whose keys are not?

A probe (one connection, one request at a time, 100 hot keys, its own process) is measured three
times in each round:

- *alone*;
- *under hits*: with a load of hits from 50 connections in another process;
- *under misses*: with the same load asking for cold keys.

The promise concerns *under misses / alone*. But part of that ratio is nothing but sharing: a server
with other clients, and a machine of two cores with another busy process, answers later even if
nobody misses. *Under hits* shows that part, and *under misses / under hits* is what misses add.
"""

from __future__ import annotations  # array[int] is subscriptable from 3.12 only

from array import array
from typing import Final

from bench import load, peers
from bench.cache_counters import counters, percent
from bench.load import Load
from bench.peers import Server
from bench.ratios import LATENCY_COLUMNS, Latency, latency, latency_cells, pairwise, spread
from bench.report import Report
from bench.scenarios.larger_than_memory import TIMES_MEMORY, VALUE_BYTES, maxmemory_bytes
from bench.settings import Settings
from bench.zipf import Keys, Uniform

_HOT_KEYS: Final = 100
_CONNECTIONS: Final = 50
_WARM_UP_S: Final = 0.5


def run(settings: Settings) -> Report:
    """Latency of hits alone, under hits and under misses, and the ratios."""
    report = Report("hits_under_misses")
    keys = maxmemory_bytes(settings) * TIMES_MEMORY // VALUE_BYTES
    others: dict[str, Keys | None] = {
        "alone": None,
        "under hits": Uniform(0, _HOT_KEYS, seed=2),
        "under misses": Uniform(_HOT_KEYS, keys, seed=2),
    }
    taken: dict[str, list[Latency]] = {name: [] for name in others}
    rates: dict[str, list[float]] = {name: [] for name in others}
    ratios: dict[str, list[float]] = {name: [] for name in others}
    with (
        settings.workplace() as place,
        peers.running(
            settings.subject, place, maxmemory_bytes(settings), settings.durability
        ) as server,
    ):
        load.populate(server.port, keys, VALUE_BYTES)
        server.settle()
        for _ in range(settings.runs):
            for name, other in others.items():
                before = counters(server)
                times, rate = _probe(server, other, 1.5 if settings.quick else 5.0)
                taken[name].append(latency(times))
                rates[name].append(rate)
                ratios[name].append(counters(server).hit_ratio_since(before) or 0.0)
    table = report.table(
        f"Hits of one client, {settings.runs} rounds",
        *("probe", *LATENCY_COLUMNS, "other load/s", "hit ratio of all"),
    )
    for name, runs in taken.items():
        table.add(
            name,
            *latency_cells(runs),
            spread(rates[name]).text(),
            percent(spread(ratios[name]).median or None),
        )
        report.figures[f"{name}.p50_us"] = [run.p50_us for run in runs]
        report.figures[f"{name}.p99_us"] = [run.p99_us for run in runs]
        report.figures[f"{name}.p999_us"] = [run.p999_us for run in runs]
    _compare(report, taken)
    return report


def _probe(server: Server, other: Keys | None, seconds: float) -> tuple[array[int], float]:
    """The probe's latencies, and the rate of the other load."""
    probe = Load(
        port=server.port,
        keys=Uniform(0, _HOT_KEYS),
        value_size=VALUE_BYTES,
        seconds=seconds,
        warm_up_s=_WARM_UP_S,
        check=True,
    )
    if other is None:
        return load.run_one(probe).latencies_ns, 0.0
    # The other load starts with the probe and outlasts it a little.
    pressure = Load(
        port=server.port,
        keys=other,
        value_size=VALUE_BYTES,
        seconds=seconds + 2 * _WARM_UP_S,
        connections=_CONNECTIONS,
    )
    probed, pressed = load.run([probe, pressure])
    return probed.latencies_ns, pressed.per_second


def _compare(report: Report, taken: dict[str, list[Latency]]) -> None:
    table = report.table("Ratios within a round", "ratio", "p50", "p99", "p99.9")
    for upper, lower in (
        ("under misses", "alone"),
        ("under hits", "alone"),
        ("under misses", "under hits"),
    ):
        above, below = taken[upper], taken[lower]
        p99 = pairwise([run.p99_us for run in above], [run.p99_us for run in below])
        table.add(
            f"{upper} / {lower}",
            pairwise([run.p50_us for run in above], [run.p50_us for run in below]).text(2),
            p99.text(2),
            pairwise([run.p999_us for run in above], [run.p999_us for run in below]).text(2),
        )
        report.figures[f"{upper} / {lower}.p99"] = p99.median
