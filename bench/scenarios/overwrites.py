"""Random overwrites of ten times the memory: bounded memory, no stall, bytes written to the disk.

Keys of a data set of ten times ``maxmemory`` are overwritten at random by one connection that sends fifty
at a time, while another overwrites one at a time and notes how long it waits. Bytes written are what the
kernel says that the process has had the disk write (``/proc/PID/io``), compactions and log included, from
before the load until the server is quiet, per byte of keys and values.
"""

from dataclasses import replace
from typing import Final

from bench import load, peers
from bench.load import Load
from bench.ratios import latency
from bench.report import Report
from bench.settings import Settings
from bench.zipf import Uniform

_VALUE_BYTES: Final = 300
_KEY_BYTES: Final = 16
_TIMES_MEMORY: Final = 10
_LONGEST_STALL_MS: Final = 250.0


def run(settings: Settings) -> Report:
    """Writes a second, the longest wait, resident memory, bytes written per byte."""
    report = Report("overwrites")
    maxmemory = (16 if settings.quick else 64) << 20
    keys = maxmemory * _TIMES_MEMORY // _VALUE_BYTES
    seconds = 5.0 if settings.quick else 30.0
    with (
        settings.workplace() as place,
        peers.running(settings.subject, place, maxmemory, settings.durability) as server,
    ):
        load.populate(server.port, keys, _VALUE_BYTES)
        server.settle()
        before = server.written_bytes()
        many = Load(
            port=server.port,
            keys=Uniform(0, keys, seed=3),
            seconds=seconds,
            value_size=_VALUE_BYTES,
            pipeline=50,
            write_share=1.0,
        )
        one = replace(many, keys=Uniform(0, keys, seed=4), pipeline=1)
        results = load.run([many, one])
        server.settle()
        written = server.written_bytes() - before
        peak = server.memory().peak_bytes
    waits = latency(results[1].latencies_ns)
    user = sum(result.requests for result in results) * (_KEY_BYTES + _VALUE_BYTES)
    bound = int(maxmemory * 1.2) + (64 << 20)
    table = report.table(
        f"{keys:,} keys of {_VALUE_BYTES} bytes, maxmemory {maxmemory >> 20} MiB, {seconds:.0f} s",
        *("writes/s", "p99 ms of one", "max ms", "MB of keys and values", "MB on disk", "ratio"),
        "max RSS MiB",
    )
    table.add(
        f"{results[0].per_second + results[1].per_second:,.0f}",
        f"{waits.p99_us / 1000:.1f}",
        f"{waits.max_us / 1000:.1f}",
        f"{user / 1e6:,.0f}",
        f"{written / 1e6:,.0f}",
        f"{written / user:.1f}",
        f"{peak >> 20}",
    )
    report.figures["per_second"] = results[0].per_second + results[1].per_second
    report.figures["longest_wait_ms"] = waits.max_us / 1000
    report.figures["amplification"] = written / user
    report.figures["peak_bytes"] = peak
    work = "random overwrites, 10 x memory"
    report.goal(
        f"{work}: longest wait",
        f"<= {_LONGEST_STALL_MS:.0f} ms",
        f"{waits.max_us / 1000:.0f} ms",
        waits.max_us / 1000 <= _LONGEST_STALL_MS,
    )
    report.goal(
        f"{work}: resident memory",
        f"<= {bound >> 20} MiB",
        f"{peak >> 20} MiB",
        peak <= bound,
    )
    report.goal(f"{work}: bytes written per byte", "reported", f"{written / user:.1f}", None)
    return report
