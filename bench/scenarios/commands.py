"""Every default test of redis-benchmark, pipeline 1 and 16, beside the relatives.

The servers run throughout and are measured in turn within each round; ratios are formed within a
round. At the end the geometric mean of all ratios says in one number how far behind or ahead.
"""

import math
from typing import Final

from bench import peers, redis_benchmark
from bench.peers import Kind, Server
from bench.ratios import pairwise, spread
from bench.report import Report
from bench.settings import Settings

_REQUESTS: Final = {1: 10_000, 16: 80_000}
_QUICK_SHARE: Final = 4
# redis-benchmark's default tests, but PING, which is two, and LRANGE; of those with replies of hundreds of
# elements fewer will do.
_TESTS: Final = "ping,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,mset"
_LONG_TESTS: Final = "lrange_100,lrange_300,lrange_500,lrange_600"
_LONG_SHARE: Final = 5
# The goals, at this pipeline: each test, and the geometric mean of all, as a share of valkey's rate.
_GOAL_PIPELINE: Final = 16
_EACH: Final = 0.5
_MEAN: Final = 0.8
_MAXMEMORY_BYTES: Final = 256 << 20


def run(settings: Settings) -> Report:
    """Requests a second of each test, and the ratio to each relative."""
    report = Report("commands")
    if not redis_benchmark.is_present():
        report.failures.append("redis-benchmark is not installed")
        return report
    with (
        settings.workplace() as place,
        peers.all_running(
            settings.subject, place, _MAXMEMORY_BYTES, settings.durability
        ) as servers,
    ):
        for pipeline, requests in _REQUESTS.items():
            count = requests // _QUICK_SHARE if settings.quick else requests
            _compare(report, settings, servers, pipeline, count)
    return report


def _compare(
    report: Report, settings: Settings, servers: list[Server], pipeline: int, count: int
) -> None:
    taken: dict[Kind, list[dict[str, float]]] = {server.kind: [] for server in servers}
    for _ in range(settings.runs):
        for server in servers:
            taken[server.kind].append(_measure(server, pipeline, count))
    subject = taken[settings.subject]
    others = [kind for kind in taken if kind is not settings.subject]
    table = report.table(
        f"Pipeline {pipeline}, {count:,} requests x {settings.runs} rounds",
        *("test", f"{settings.subject} requests/s"),
        *(f"{settings.subject} / {kind}" for kind in others),
    )
    ratios: dict[Kind, list[float]] = {kind: [] for kind in others}
    for test in subject[0]:
        rates = [one[test] for one in subject]
        cells = [test, spread(rates).text()]
        report.figures[f"pipeline_{pipeline}.{test}.per_second"] = rates
        for kind in others:
            ratio = pairwise(rates, [one[test] for one in taken[kind]])
            ratios[kind].append(ratio.median)
            cells.append(ratio.text(2))
            report.figures[f"pipeline_{pipeline}.{test}.{kind}.subject_ratio"] = ratio.median
        table.add(*cells)
    means = [math.exp(sum(map(math.log, ratios[kind])) / len(ratios[kind])) for kind in others]
    table.add("geometric mean", "", *(f"{mean:.2f}" for mean in means))
    if pipeline == _GOAL_PIPELINE and Kind.VALKEY in others:
        work = f"default tests of redis-benchmark, pipeline {pipeline}"
        least = min(zip(ratios[Kind.VALKEY], subject[0], strict=True))
        report.goal(
            f"{work}: the lowest",
            f">= {_EACH} x {Kind.VALKEY}",
            f"{least[0]:.2f} ({least[1]})",
            least[0] >= _EACH,
        )
        mean = means[others.index(Kind.VALKEY)]
        report.goal(
            f"{work}: geometric mean", f">= {_MEAN} x {Kind.VALKEY}", f"{mean:.2f}", mean >= _MEAN
        )


def _measure(server: Server, pipeline: int, requests: int) -> dict[str, float]:
    """Requests a second of every default test, by its name."""
    found = redis_benchmark.measure_tests(server, _TESTS, pipeline, requests)
    fewer = max(requests // _LONG_SHARE, 1000)
    long = redis_benchmark.measure_tests(server, _LONG_TESTS, pipeline, fewer)
    return found | {test: rate for test, rate in long.items() if test.startswith("LRANGE")}
