"""What misses cost: hits beside them, and how many the store itself could answer.

1. *hits*: 50 connections ask for zipf 0.99 keys, 5 % writes, of a data set of ten times the memory; beside
   them one connection reads 100 hot keys, one at a time, and its p99 is taken. The same beside a server with
   the same data and memory for all of it, in turn: the same load without misses.
2. *misses*: 50 connections, pipeline 16, ask for all keys at random, so that nine of ten miss. Beside it what
   ``rocksdict`` alone reads from the same store, after the server has been stopped: several threads in
   one process, each asking for random keys in lists of 16, the same table options and block cache, and
   nothing else to do. (The server shares its two cores with the load generator.)
"""

import random
import threading
import time
from pathlib import Path
from typing import Final

from bench import load, peers
from bench.cache_counters import counters, percent
from bench.load import Load
from bench.peers import Kind, Server
from bench.ratios import LATENCY_COLUMNS, Latency, latency, latency_cells, pairwise, spread
from bench.report import Report
from bench.scenarios.larger_than_memory import TIMES_MEMORY, VALUE_BYTES, maxmemory_bytes
from bench.settings import Settings
from bench.zipf import Uniform, Zipf

_HOT_KEYS: Final = 100
_CONNECTIONS: Final = 50
_PIPELINE: Final = 16
_WARM_UP_S: Final = 0.5
# Memory for the whole data set, entries and all.
_ROOMY: Final = 3
_THREADS: Final = 8
_P99_GOAL: Final = 2.0
_MISSES_GOAL: Final = 0.8


def run(settings: Settings) -> Report:
    """p99 of hits with and without misses; misses a second, by the server and by the store alone."""
    report = Report("zipf_misses")
    maxmemory = maxmemory_bytes(settings)
    keys = maxmemory * TIMES_MEMORY // VALUE_BYTES
    with settings.workplace() as place:
        small_place = place / "small"
        with (
            peers.running(settings.subject, small_place, maxmemory, settings.durability) as small,
            peers.running(
                settings.subject,
                place / "roomy",
                maxmemory * TIMES_MEMORY * _ROOMY,
                settings.durability,
            ) as roomy,
        ):
            for server in (small, roomy):
                load.populate(server.port, keys, VALUE_BYTES)
                server.settle()
            _hits(report, settings, {"without misses": roomy, "with misses": small}, keys)
            served = [_served_misses(settings, small, keys) for _ in range(settings.runs)]
        if settings.subject is Kind.DSCACHE:
            store = small_place / "data" / "rocksdb"
            _compare_misses(report, settings, served, store, maxmemory)
    return report


def _hits(report: Report, settings: Settings, servers: dict[str, Server], keys: int) -> None:
    taken: dict[str, list[Latency]] = {name: [] for name in servers}
    rates: dict[str, list[float]] = {name: [] for name in servers}
    shares: dict[str, list[float]] = {name: [] for name in servers}
    seconds = 1.5 if settings.quick else 4.0
    for number in range(settings.runs):
        for name, server in servers.items():
            before = counters(server)
            probe = Load(
                port=server.port,
                keys=Uniform(0, _HOT_KEYS),
                value_size=VALUE_BYTES,
                seconds=seconds,
                warm_up_s=_WARM_UP_S,
            )
            others = Load(
                port=server.port,
                keys=Zipf(keys - _HOT_KEYS, low=_HOT_KEYS, seed=number),
                value_size=VALUE_BYTES,
                seconds=seconds + 2 * _WARM_UP_S,
                connections=_CONNECTIONS,
                write_share=0.05,
            )
            probed, pressed = load.run([probe, others])
            taken[name].append(latency(probed.latencies_ns))
            rates[name].append(pressed.per_second)
            shares[name].append(counters(server).hit_ratio_since(before) or 0.0)
    table = report.table(
        f"Hits beside zipf 0.99, 95 % reads, {keys:,} keys of {VALUE_BYTES} bytes,"
        f" {settings.runs} rounds",
        *("the load is", *LATENCY_COLUMNS, "load/s", "hit ratio of all"),
    )
    for name, runs in taken.items():
        table.add(
            name,
            *latency_cells(runs),
            spread(rates[name]).text(),
            percent(spread(shares[name]).median or None),
        )
        report.figures[f"{name}.p99_us"] = [run.p99_us for run in runs]
    with_misses, without = taken["with misses"], taken["without misses"]
    ratio = pairwise([run.p99_us for run in with_misses], [run.p99_us for run in without])
    report.figures["p99_ratio"] = ratio.median
    report.goal(
        "10 x memory, zipf 0.99, 95/5: p99 of hits",
        f"<= {_P99_GOAL:.0f} x the same load without misses",
        ratio.text(2),
        ratio.median <= _P99_GOAL,
    )


def _served_misses(settings: Settings, server: Server, keys: int) -> tuple[float, float]:
    """Misses a second, and a second of the server's processor time."""
    before = counters(server)
    cpu = server.cpu()
    result = load.run_one(
        Load(
            port=server.port,
            keys=Uniform(0, keys, seed=5),
            value_size=VALUE_BYTES,
            seconds=1.5 if settings.quick else 3.0,
            connections=_CONNECTIONS,
            pipeline=_PIPELINE,
        )
    )
    hits = counters(server).hit_ratio_since(before) or 0.0
    cpu_s = server.cpu().since(cpu).total_s
    misses = result.per_second * (1.0 - hits)
    return misses, misses * result.elapsed_s / cpu_s


def _compare_misses(
    report: Report,
    settings: Settings,
    served: list[tuple[float, float]],
    store: Path,
    maxmemory: int,
) -> None:
    seconds = 1.0 if settings.quick else 2.0
    bare = [_bare_reads(store, maxmemory // 4, seconds) for _ in range(settings.runs)]
    table = report.table(
        f"Misses; rocksdict alone in {_THREADS} threads", "", "server", "rocksdict", "share"
    )
    ratios = []
    for number, name in enumerate(("a second", "a second of processor time")):
        ours, theirs = [one[number] for one in served], [one[number] for one in bare]
        ratios.append(pairwise(ours, theirs))
        table.add(name, spread(ours).text(), spread(theirs).text(), ratios[-1].text(2))
        report.figures[f"misses {name}"] = ours
        report.figures[f"rocksdict {name}"] = theirs
    ratio = ratios[0]
    report.goal_of_ratio(
        "10 x memory: misses a second", _MISSES_GOAL, ratio, "rocksdict alone, same store"
    )


def _bare_reads(store: Path, cache_bytes: int, seconds: float) -> tuple[float, float]:
    """What threads read from the column of records, keys a second, and a second of processor time."""
    from rocksdict import AccessType, Cache, Rdict, WriteBufferManager

    from dscache.store.base import COLUMN_NAMES
    from dscache.store.options import column_options, database_options, write_buffer_bytes

    cache = Cache(cache_bytes)
    buffers = WriteBufferManager.new_write_buffer_manager_with_cache(cache_bytes, False, cache)
    columns = {
        name: column_options(cache, write_buffer_bytes(cache_bytes)) for name in COLUMN_NAMES
    }
    database = Rdict(str(store), database_options(buffers), columns, AccessType.read_only())
    column = database.get_column_family("data")
    names = list(column.keys())
    counts = [0] * _THREADS
    end = time.perf_counter() + seconds

    def read(number: int) -> None:
        chosen = random.Random(number)
        while time.perf_counter() < end:
            column.get(chosen.choices(names, k=_PIPELINE))
            counts[number] += _PIPELINE

    cpu = time.process_time()
    threads = [threading.Thread(target=read, args=(number,)) for number in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cpu_s = time.process_time() - cpu
    database.close()
    return sum(counts) / seconds, sum(counts) / cpu_s
