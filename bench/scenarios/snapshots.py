"""What a snapshot costs those who go on meanwhile, and how fast data sets move in and out.

1. *latency*: a probe (one connection, one request at a time, hits) beside a load of reads and writes
   from 50 connections, without and with BGSAVE running all the time. Throughput of that load, too.
2. *moving*: BGSAVE, ``dscache import`` of the file that it made, BACKUP and ``dscache restore``: seconds,
   and MB of the RDB file a second.
"""

from __future__ import annotations  # array[int] is subscriptable from 3.12 only

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench import load, peers
from bench.client import Client
from bench.load import Load
from bench.peers import Kind, Server
from bench.ratios import LATENCY_COLUMNS, Latency, latency, latency_cells, pairwise, spread
from bench.report import Report
from bench.settings import Settings
from bench.zipf import Uniform

_VALUE_BYTES: Final = 300
_HOT_KEYS: Final = 1000
_CONNECTIONS: Final = 50
_MAXMEMORY_BYTES: Final = 256 << 20
_POLL_S: Final = 0.01


def run(settings: Settings) -> Report:
    """Latency with and without BGSAVE; speed of moving."""
    report = Report("snapshots")
    if settings.subject is not Kind.DSCACHE:
        report.notes.append("these are commands of dscache's")
        return report
    keys = 300_000 if settings.quick else 2_000_000
    with settings.workplace() as place:
        with peers.running(
            settings.subject, place, _MAXMEMORY_BYTES, settings.durability
        ) as server:
            load.populate(server.port, keys, _VALUE_BYTES)
            server.settle()
            _latency(report, settings, server)
            server.settle()
            _save(report, server, place)
        _move(report, place, keys)
    return report


def _latency(report: Report, settings: Settings, server: Server) -> None:
    taken: dict[str, list[Latency]] = {"without": [], "with BGSAVE": []}
    rates: dict[str, list[float]] = {name: [] for name in taken}
    for _ in range(settings.runs):
        for name, runs in taken.items():
            if name == "without":
                times, rate = _probe(server, settings)
            else:
                with _saving(server):
                    times, rate = _probe(server, settings)
            server.settle()
            runs.append(times)
            rates[name].append(rate)
    table = report.table(
        f"Hits of one client beside 50 that read and write, {settings.runs} rounds",
        *("", *LATENCY_COLUMNS, "the 50: a second"),
    )
    for name, runs in taken.items():
        table.add(
            name,
            *latency_cells(runs),
            spread(rates[name]).text(),
        )
        report.figures[f"{name}.p99_us"] = [run.p99_us for run in runs]
    ratio = pairwise(
        [run.p99_us for run in taken["with BGSAVE"]], [run.p99_us for run in taken["without"]]
    )
    report.notes.append(f"p99 with BGSAVE / without: {ratio.text(2)}")


def _probe(server: Server, settings: Settings) -> tuple[Latency, float]:
    seconds = 2.0 if settings.quick else 6.0
    probe = Load(
        port=server.port,
        keys=Uniform(0, _HOT_KEYS),
        value_size=_VALUE_BYTES,
        seconds=seconds,
        warm_up_s=0.5,
    )
    others = Load(
        port=server.port,
        keys=Uniform(0, _HOT_KEYS * 100, seed=2),
        value_size=_VALUE_BYTES,
        seconds=seconds + 1.0,
        connections=_CONNECTIONS,
        write_share=0.2,
    )
    probed, pressed = load.run([probe, others])
    return latency(probed.latencies_ns), pressed.per_second


@contextmanager
def _saving(server: Server) -> Iterator[None]:
    """One BGSAVE after the other."""
    is_over = threading.Event()

    def save() -> None:
        with Client(server.port) as client:
            while not is_over.is_set():
                client.command("BGSAVE")
                _await_save(client)

    thread = threading.Thread(target=save)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _await_save(client: Client) -> None:
    while client.info()["rdb_bgsave_in_progress"] == "1":
        time.sleep(_POLL_S)


def _save(report: Report, server: Server, place: Path) -> None:
    with Client(server.port, timeout_s=600.0) as client:
        began = time.perf_counter()
        client.command("SAVE")
        report.figures["save_s"] = time.perf_counter() - began
        began = time.perf_counter()
        client.command("BACKUP", str(place / "backup"))
        report.figures["backup_s"] = time.perf_counter() - began


def _move(report: Report, place: Path, keys: int) -> None:
    file = place / "data" / "dump.rdb"
    file_mb = file.stat().st_size / 1e6
    import_s = _dscache("import", "--dir", str(place / "imported"), str(file))
    restore_s = _dscache("restore", "--dir", str(place / "restored"), str(place / "backup"))
    table = report.table(
        f"{keys:,} keys of {_VALUE_BYTES} bytes, an RDB file of {file_mb:,.0f} MB",
        *("", "seconds", "MB/s"),
    )
    save_s, backup_s = report.figures["save_s"], report.figures["backup_s"]
    assert isinstance(save_s, float)
    assert isinstance(backup_s, float)
    for name, seconds in (
        ("SAVE", save_s),
        ("dscache import", import_s),
        ("BACKUP", backup_s),
        ("dscache restore", restore_s),
    ):
        table.add(name, f"{seconds:.2f}", f"{file_mb / seconds:,.0f}")
    report.figures["import_s"] = import_s
    report.figures["restore_s"] = restore_s
    report.figures["file_mb"] = file_mb


def _dscache(*words: str) -> float:
    """Seconds that ``dscache words`` takes, its start included."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "dscache", *words], check=True, capture_output=True, timeout=600
    )
    return time.perf_counter() - began
