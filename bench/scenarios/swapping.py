"""The other way to have more data than memory: leave it to the operating system's swap.

valkey-server holds the whole data set, and a control group bounds its memory, page cache included; the
rest is on swap. dscache has the same data in a group of the same size, with as much ``maxmemory`` as fits
its promise (``maxmemory * 1.2 + 64 MiB``). Both get the same load: zipf 0.99, 5 % writes, 50 connections,
pipeline 16. Only where there is swap and the right to make a control group.
"""

import contextlib
from pathlib import Path
from typing import Final

from bench import control_group, load, peers
from bench.load import Load
from bench.peers import Kind, Server
from bench.ratios import latency, pairwise, spread
from bench.report import Report
from bench.settings import Settings
from bench.zipf import Zipf

_GROUP_BYTES: Final = 160 << 20
_DSCACHE_BYTES: Final = 80 << 20
_VALUE_BYTES: Final = 1000
# The values alone are five times what a group may have, and ten times what dscache gets.
_KEYS: Final = 800_000
_QUICK_KEYS: Final = 250_000
_CONNECTIONS: Final = 50
_PIPELINE: Final = 16
_WORK: Final = "the same: throughput"
_GOAL: Final = "> valkey on swap, same memory"


def run(settings: Settings) -> Report:
    """Requests a second in the same memory, and how long the slowest waited."""
    report = Report("swapping")
    reason = control_group.why_not()
    if reason or not peers.is_present(Kind.VALKEY):
        report.notes.append(reason or "valkey-server is not installed")
        report.goal(_WORK, _GOAL, report.notes[-1], None)
        return report
    keys = _QUICK_KEYS if settings.quick else _KEYS
    with settings.workplace() as place, contextlib.ExitStack() as stack:
        servers = {
            kind: _start(stack, settings, kind, place) for kind in (settings.subject, Kind.VALKEY)
        }
        rates: dict[Kind, list[float]] = {kind: [] for kind in servers}
        slowest: dict[Kind, list[float]] = {kind: [] for kind in servers}
        for server in servers.values():
            load.populate(server.port, keys, _VALUE_BYTES)
            server.settle()
        for number in range(settings.runs):
            for kind, server in servers.items():
                result = load.run_one(
                    Load(
                        port=server.port,
                        keys=Zipf(keys, seed=number),
                        value_size=_VALUE_BYTES,
                        seconds=2.0 if settings.quick else 4.0,
                        connections=_CONNECTIONS,
                        pipeline=_PIPELINE,
                        write_share=0.05,
                        warm_up_s=1.0 if settings.quick else 2.0,
                    )
                )
                rates[kind].append(result.per_second)
                slowest[kind].append(latency(result.latencies_ns).p99_us / 1000)
    table = report.table(
        f"{keys:,} keys of {_VALUE_BYTES} bytes in {_GROUP_BYTES >> 20} MiB, {settings.runs} rounds",
        *("server", "requests/s", "p99 ms of a batch"),
    )
    for kind, found in rates.items():
        table.add(kind, spread(found).text(), spread(slowest[kind]).text(1))
        report.figures[f"{kind}.per_second"] = found
    ratio = pairwise(rates[settings.subject], rates[Kind.VALKEY])
    report.goal(_WORK, _GOAL, f"{ratio.text(2)} x", ratio.median > 1.0)
    return report


def _start(stack: contextlib.ExitStack, settings: Settings, kind: Kind, place: Path) -> Server:
    group = stack.enter_context(control_group.bounded(_GROUP_BYTES))
    return stack.enter_context(
        peers.running(kind, place / kind, _DSCACHE_BYTES, settings.durability, control_group=group)
    )
