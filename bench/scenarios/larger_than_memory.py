"""Ten times as much data as memory: what the cache is for.

Three measurements, one after the other in each round, so that INFO's counters tell what each met:

1. *zipf*: 95 % GET, 5 % SET, zipf 0.99, 50 connections, pipeline 16: throughput and hit ratio.
2. *hits*: one connection reads 100 keys over and over: after the warm-up they are resident.
3. *misses*: one connection reads cold keys in random order. They are half as many again, were
   written before all others, and each is asked for once in the whole scenario.

Whether a single request was a hit is not known to a client: asking ``CACHE RESIDENT`` would
disturb, and sorting by latency would assume what is to be shown. Reading keys that must be hits,
and others that must be misses, and checking by the counters that they were (column ``hit ratio``),
is exact enough. A probe whose hit ratio is more than a tenth away from what its name says fails.

A miss here reads from the operating system's page cache if that holds the files; it says what
dscache adds to a read, not what the disk takes.
"""

from dataclasses import dataclass
from typing import Final

from bench import load, peers
from bench.cache_counters import counters, percent
from bench.load import Load
from bench.peers import Server
from bench.ratios import LATENCY_COLUMNS, Latency, latency, latency_cells, spread
from bench.report import Report, Table
from bench.settings import Settings
from bench.zipf import Keys, RandomOrder, Uniform, Zipf

VALUE_BYTES: Final = 1000
TIMES_MEMORY: Final = 10
_HOT_KEYS: Final = 100
_COLD_SHARE: Final = 0.5  # keys for the misses, beside the ten times memory
_CONNECTIONS: Final = 50
_PIPELINE: Final = 16
_PROBE_WARM_UP_S: Final = 0.1  # loads the hot keys; leaves most of the cold ones
_TOLERANCE: Final = 0.1  # of the hit ratio of a probe


@dataclass(frozen=True, slots=True)
class _Round:
    """What one load met in one round."""

    per_second: float
    hit_ratio: float | None
    times: Latency
    server_cores: float
    generator_busy: float


def maxmemory_bytes(settings: Settings) -> int:
    return (16 if settings.quick else 64) << 20


def run(settings: Settings) -> Report:
    """Throughput on zipf; latency of hits and of misses apart."""
    report = Report("larger_than_memory")
    keys = maxmemory_bytes(settings) * TIMES_MEMORY // VALUE_BYTES
    taken: dict[str, list[_Round]] = {"zipf": [], "hits": [], "misses": []}
    with (
        settings.workplace() as place,
        peers.running(
            settings.subject, place, maxmemory_bytes(settings), settings.durability
        ) as server,
    ):
        cold = int(keys * _COLD_SHARE)
        written = load.populate(server.port, cold + keys, VALUE_BYTES)
        for number in range(settings.runs):
            loads = _loads(settings, server, range(cold, cold + keys), number)
            for name, asked in loads.items():
                server.settle()
                taken[name].append(_measure(report, server, name, asked))
    table = report.table(
        f"{keys:,} keys of {VALUE_BYTES} bytes, {maxmemory_bytes(settings) >> 20} MiB, "
        f"{settings.runs} rounds (zipf: per batch of {_PIPELINE})",
        *("load", "requests/s", "hit ratio", *LATENCY_COLUMNS),
        *("server cores", "generator busy"),
    )
    for name, rounds in taken.items():
        _tabulate(report, table, name, rounds)
    report.figures["populate.per_second"] = written.per_second
    report.notes.append(f"populating: {written.per_second:,.0f} keys/s")
    return report


def _loads(settings: Settings, server: Server, keys: range, number: int) -> dict[str, Load]:
    """The three loads of a round; ``keys`` are all but the cold ones, which come before them."""
    seconds = 2.0 if settings.quick else 8.0
    cold = keys.start // settings.runs
    probes: dict[str, Keys] = {
        "hits": Uniform(keys.start, keys.start + _HOT_KEYS),
        "misses": RandomOrder(number * cold, (number + 1) * cold),
    }
    zipf = Load(
        port=server.port,
        keys=Zipf(len(keys), low=keys.start, seed=number),
        value_size=VALUE_BYTES,
        seconds=seconds,
        connections=_CONNECTIONS,
        pipeline=_PIPELINE,
        write_share=0.05,
        warm_up_s=seconds / 2,
    )
    return {"zipf": zipf} | {
        name: Load(
            port=server.port,
            keys=probe,
            value_size=VALUE_BYTES,
            seconds=seconds,
            warm_up_s=_PROBE_WARM_UP_S,
            check=True,
        )
        for name, probe in probes.items()
    }


def _measure(report: Report, server: Server, name: str, asked: Load) -> _Round:
    counted, cpu = counters(server), server.cpu()
    result = load.run_one(asked)
    if result.absent or result.wrong_batches:
        report.failures.append(
            f"{name}: {result.absent} absent keys, {result.wrong_batches} wrong batches"
        )
    return _Round(
        per_second=result.per_second,
        hit_ratio=counters(server).hit_ratio_since(counted),
        times=latency(result.latencies_ns),
        server_cores=server.cpu().since(cpu).total_s / (result.elapsed_s + asked.warm_up_s),
        generator_busy=result.busy,
    )


def _tabulate(report: Report, table: Table, name: str, rounds: list[_Round]) -> None:
    hit_ratios = [one.hit_ratio for one in rounds if one.hit_ratio is not None]
    table.add(
        name,
        spread([one.per_second for one in rounds]).text(),
        percent(spread(hit_ratios).median if hit_ratios else None),
        *latency_cells([one.times for one in rounds]),
        spread([one.server_cores for one in rounds]).text(2),
        spread([one.generator_busy for one in rounds]).text(2),
    )
    expected = {"hits": 1.0, "misses": 0.0}.get(name)
    if expected is not None and any(abs(ratio - expected) > _TOLERANCE for ratio in hit_ratios):
        report.failures.append(f"the probe for {name} met something else: {hit_ratios}")
    report.figures[f"{name}.per_second"] = [one.per_second for one in rounds]
    report.figures[f"{name}.hit_ratio"] = hit_ratios
    report.figures[f"{name}.p50_us"] = [one.times.p50_us for one in rounds]
    report.figures[f"{name}.p99_us"] = [one.times.p99_us for one in rounds]
    report.figures[f"{name}.p999_us"] = [one.times.p999_us for one in rounds]
