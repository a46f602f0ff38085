"""Does the memory bound hold? Resident memory, sampled while a data set goes through the server.

All keys are written, then all are read in random order and checked. The bound is
``maxmemory * 1.2 + 64 MiB``: what the design promises for the process as the operating system sees
it, interpreter, engine, buffers and fragmentation included. The judge is the kernel's high-water
mark (VmHWM), which misses nothing between samples; the samples show the course.
"""

import time
from typing import Final

from bench import load, peers
from bench.load import Load
from bench.peers import Memory, Server
from bench.report import Report
from bench.settings import Settings
from bench.zipf import RandomOrder

_VALUE_BYTES: Final = 500
_PIPELINE: Final = 50
_ROWS: Final = 20


class _Course:
    """Memory over time, sampled by the load generator's watch."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._began = time.monotonic()
        self.phase = ""
        self.samples: list[tuple[float, str, Memory]] = []

    def sample(self) -> None:
        elapsed_s = time.monotonic() - self._began
        self.samples.append((elapsed_s, self.phase, self._server.memory()))


def run(settings: Settings) -> Report:
    """Resident memory against its bound while keys are written and read back."""
    report = Report("memory")
    keys = 300_000 if settings.quick else 2_000_000
    maxmemory = (32 if settings.quick else 128) << 20
    bound = int(maxmemory * 1.2) + (64 << 20)
    with (
        settings.workplace() as place,
        peers.running(settings.subject, place, maxmemory, settings.durability) as server,
    ):
        course = _Course(server)
        course.sample()
        course.phase = "write"
        writes = load.populate(server.port, keys, _VALUE_BYTES, watch=course.sample)
        course.phase = "read"
        reads = load.run_one(
            Load(
                port=server.port,
                keys=RandomOrder(0, keys),
                value_size=_VALUE_BYTES,
                pipeline=_PIPELINE,
                check=True,
            ),
            watch=course.sample,
        )
        course.sample()
    _tabulate(report, course, bound)
    peak = course.samples[-1][2].peak_bytes
    report.figures["peak_bytes"] = peak
    report.figures["bound_bytes"] = bound
    report.figures["rss_bytes"] = [memory.now_bytes for _, _, memory in course.samples]
    report.notes.append(
        f"{keys:,} keys of {_VALUE_BYTES} bytes, maxmemory {maxmemory >> 20} MiB: "
        f"max RSS {peak / 2**20:.0f} MiB, bound {bound / 2**20:.0f} MiB; "
        f"{writes.per_second:,.0f} writes/s, {reads.per_second:,.0f} reads/s"
    )
    if peak > bound:
        report.failures.append(
            f"RSS reached {peak / 2**20:.0f} MiB, the bound is {bound / 2**20:.0f} MiB"
        )
    if reads.absent or reads.wrong_batches:
        report.failures.append(
            f"{reads.absent} absent keys, {reads.wrong_batches} batches with a wrong value"
        )
    return report


def _tabulate(report: Report, course: _Course, bound: int) -> None:
    table = report.table("Resident memory", "second", "phase", "RSS MiB", "anonymous", "of bound")
    stride = max(1, len(course.samples) // _ROWS)
    for elapsed_s, phase, memory in course.samples[::stride]:
        table.add(
            f"{elapsed_s:.1f}",
            phase,
            f"{memory.now_bytes / 2**20:.0f}",
            f"{memory.anonymous_bytes / 2**20:.0f}",
            f"{memory.now_bytes / bound:.0%}",
        )
