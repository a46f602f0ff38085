"""What a key takes in memory: 16 bytes of name, 100 of value, all of them resident.

Resident memory of the process before and after, as the kernel sees it, when it has come to rest, by the
number of keys: what a machine has to have, allocator and tables included. And what the server itself says
(INFO's used_memory).
"""

import time
from typing import Final

from bench import load, peers
from bench.peers import Kind, Server
from bench.report import Report
from bench.settings import Settings

_KEYS: Final = 1_000_000
_QUICK_KEYS: Final = 200_000
_VALUE_BYTES: Final = 100
_MAXMEMORY_BYTES: Final = 1 << 30
_GOAL: Final = 2.0
# Until it is at rest: the last commit comes up to 8 s after the last write, and 5 s later dscache gives back
# what it does not need any more.
_REST_S: Final = 20.0
_QUICK_REST_S: Final = 9.0


def run(settings: Settings) -> Report:
    """Bytes of memory per key, and how many times valkey's that is."""
    report = Report("memory_per_key")
    keys = _QUICK_KEYS if settings.quick else _KEYS
    table = report.table(
        f"{keys:,} keys of 16 + {_VALUE_BYTES} bytes", "server", "resident", "used_memory"
    )
    resident: dict[Kind, float] = {}
    with (
        settings.workplace() as place,
        peers.all_running(
            settings.subject, place, _MAXMEMORY_BYTES, settings.durability
        ) as servers,
    ):
        empty = [_memory(server) for server in servers]
        for server in servers:
            load.populate(server.port, keys, _VALUE_BYTES)
            server.settle()
        time.sleep(_QUICK_REST_S if settings.quick else _REST_S)
        for server, (before, used_before) in zip(servers, empty, strict=True):
            after, used_after = _memory(server)
            resident[server.kind] = (after - before) / keys
            table.add(
                server.kind,
                f"{resident[server.kind]:.0f}",
                f"{(used_after - used_before) / keys:.0f}",
            )
            report.figures[f"{server.kind}.bytes_per_key"] = resident[server.kind]
    if Kind.VALKEY in resident:
        times = resident[settings.subject] / resident[Kind.VALKEY]
        report.goal(
            f"memory per key, {_VALUE_BYTES}-byte values, all resident",
            f"<= {_GOAL} x valkey",
            f"{times:.2f}",
            times <= _GOAL,
        )
    return report


def _memory(server: Server) -> tuple[int, int]:
    return server.memory().anonymous_bytes, int(server.info()["used_memory"])
