"""Start-up time against the size of the data: it must not depend on it.

For each size a data set is written, the server is stopped and started, and the time from the start
of the process to the first PONG is taken (``-LOADING`` is no PONG). Twice: after SIGTERM, and
after SIGKILL right after more writes, which leaves a redo log to be replayed. DBSIZE must be what
it was; after SIGKILL too, because a killed process, unlike a dead machine, loses nothing that
reached the kernel. Size 0 shows what the interpreter and its imports take.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from bench import load, peers
from bench.load import Load
from bench.report import Report, Table
from bench.settings import Settings
from bench.zipf import Sequential

_VALUE_BYTES: Final = 100
_MAXMEMORY_BYTES: Final = 64 << 20
_TAIL_KEYS: Final = 20_000  # written just before the kill


def run(settings: Settings) -> Report:
    """Seconds until PING is answered, by number of keys."""
    report = Report("startup")
    table = report.table(
        f"Seconds until PONG, values of {_VALUE_BYTES} bytes",
        *("keys", "after SIGTERM", "after SIGKILL", "RSS MiB then"),
    )
    sizes = (0, 100_000) if settings.quick else (0, 100_000, 1_000_000, 2_000_000)
    for keys in sizes:
        with settings.workplace() as place:
            _measure(report, table, settings, place, keys)
    return report


def _measure(report: Report, table: Table, settings: Settings, place: Path, keys: int) -> None:
    def start() -> AbstractContextManager[peers.Server]:
        return peers.running(settings.subject, place, _MAXMEMORY_BYTES, settings.durability)

    with start() as server:
        load.populate(server.port, keys, _VALUE_BYTES)
    with start() as server:
        clean_s = server.start_s
        _check_size(report, "SIGTERM", server, keys)
        _write_tail(server, keys)
        server.kill()
    with start() as server:
        crashed_s = server.start_s
        _check_size(report, "SIGKILL", server, keys + _TAIL_KEYS)
        rss = server.memory().now_bytes
    table.add(f"{keys:,}", f"{clean_s:.2f}", f"{crashed_s:.2f}", f"{rss / 2**20:.0f}")
    report.figures[f"{keys}.after_sigterm_s"] = clean_s
    report.figures[f"{keys}.after_sigkill_s"] = crashed_s


def _write_tail(server: peers.Server, keys: int) -> None:
    load.run_one(
        Load(
            port=server.port,
            keys=Sequential(keys, keys + _TAIL_KEYS),
            value_size=_VALUE_BYTES,
            pipeline=50,
            write_share=1.0,
        )
    )


def _check_size(report: Report, after: str, server: peers.Server, expected: int) -> None:
    found = server.dbsize()
    if found != expected:
        report.failures.append(f"after {after} DBSIZE is {found:,}, expected {expected:,}")
