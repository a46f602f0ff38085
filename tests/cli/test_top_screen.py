"""The screen of dscache top: everything in its place, whatever the size of the terminal."""

from __future__ import annotations

import pytest
from rich.console import Console

from dscache.cli.key_sampling import KeySample
from dscache.cli.readings import Readings, Sample, parse_clients, parse_info
from dscache.cli.top_screen import View, screen

COMMANDS = [(f"command{number}", 100 + number, (200 - number) * 1000) for number in range(60)]
INFO = (
    "dscache_version:1.2.3\ndscache_compiled:1\nuptime_in_seconds:7300\nused_memory:900\nmaxmemory:1000\n"
    "used_memory_rss:2000\nmem_entries:500\nmem_saving_epoch:0\nmem_store:100\nconnected_clients:3\n"
    "blocked_clients:1\ncache_loads:5\ncache_hits:9\ncache_misses:1\ncache_dirty_keys:4\n"
    "cache_waiting_clients:2\nstore_engine:rocksdb\nstore_failing_seconds:0\naof_enabled:1\n"
    "aof_current_size:4096\ntotal_commands_processed:50\ndb0:keys=1234567,expires=0\n"
    + "".join(f"cmdstat_{name}:calls={calls},usec={us}\n" for name, calls, us in COMMANDS)
)
CLIENTS = "addr=10.0.0.1:5 flags=N cmd=get wait=disk:250\n"
KEYS = [KeySample(b"key:%d" % number, 1000 - number, number, None) for number in range(20)]


def shown(
    info: str = INFO,
    columns: int = 80,
    rows: int = 24,
    clients: str = CLIENTS,
    view: View | None = None,
    before: Sample | None = None,
) -> list[str]:
    """The lines of the screen."""
    after = Sample(2.0, 0.1, parse_info(info), parse_clients(clients))
    used = view or View("host:1", help="q quit")
    used.remember(Readings(Sample(1.0, 0.1, {}), after))
    console = Console(width=columns, height=rows or 100)
    with console.capture() as capture:
        console.print(screen(used, Readings(before, after), KEYS, KEYS, columns, rows))
    return capture.get().rstrip("\n").split("\n")


@pytest.mark.parametrize(
    ("columns", "rows"), [(80, 24), (60, 20), (100, 30), (139, 40), (140, 24), (200, 60)]
)
def test_it_fits_the_terminal(columns: int, rows: int) -> None:
    lines = shown(columns=columns, rows=rows)
    assert len(lines) <= rows
    assert max(len(line.rstrip()) for line in lines) <= columns
    text = "\n".join(lines)
    for part in (
        "dscache 1.2.3 at host:1",
        "hit ratio",
        "90 % of 1000 B",
        "biggest in memory",
        "key:0",
    ):
        assert part in text


def test_a_low_terminal_has_no_lists() -> None:
    lines = shown(rows=14)
    assert len(lines) <= 14
    assert "biggest" not in "\n".join(lines)


def test_who_waits_is_shown_only_if_somebody_does_where_room_is_scarce() -> None:
    assert "10.0.0.1:5" in "\n".join(shown())
    assert "who waits" not in "\n".join(shown(clients=""))
    assert "who waits" in "\n".join(shown(clients="", columns=150))


@pytest.mark.parametrize(
    ("order", "first"), [("time", "command0"), ("calls", "command59"), ("per call", "command0")]
)
def test_commands_are_sorted_as_wanted(order: str, first: str) -> None:
    lines = shown(view=View("host:1", order=order))
    head = next(number for number, line in enumerate(lines) if line.startswith("command "))
    assert lines[head + 1].startswith(first)
    assert lines[head].count("↓") == 1


def test_the_order_goes_round() -> None:
    view = View("host:1")
    orders = [view.order]
    for _ in range(3):
        view.next_order()
        orders.append(view.order)
    assert orders == ["time", "calls", "per call", "time"]


def test_a_disk_that_takes_nothing_is_told_with_the_reason() -> None:
    failing = INFO.replace(
        "store_failing_seconds:0", "store_failing_seconds:90\nstore_last_error:No space"
    )
    assert "no commit for 90 s: No space" in "\n".join(shown(failing))


def test_what_the_disk_takes_is_told_of_the_last_interval_or_of_ever() -> None:
    buckets = (
        "disk_latency_buckets_usec_load:150=3,2047=1\ndisk_latency_buckets_usec_epoch:34000=1\n"
    )
    before = Sample(1.0, 0.1, parse_info("disk_latency_buckets_usec_epoch:34000=1\n"))
    assert "p50/p99 load 0.15/2.05 ms, epoch 34.0/34.0 ms ever, sync -" in [
        line.rstrip() for line in shown(INFO + buckets, before=before)
    ]


def test_trouble_takes_the_place_of_the_help() -> None:
    assert shown()[0].rstrip().endswith("q quit")
    assert shown(view=View("host:1", is_paused=True))[0].endswith("paused")
    assert shown(view=View("host:1", trouble="the server is gone"))[0].endswith(
        "the server is gone"
    )


def test_redis_is_shown_as_far_as_it_goes() -> None:
    info = (
        "redis_version:7.4.1\nuptime_in_seconds:5\nused_memory:900\nmaxmemory:0\nevicted_keys:0\n"
        "keyspace_hits:1\nkeyspace_misses:1\nrdb_changes_since_last_save:7\naof_enabled:0\n"
        "connected_clients:3\nblocked_clients:0\n"
    )
    text = "\n".join(shown(info, clients=""))
    for part in ("Redis 7.4.1", "900 B of no bound", "50.0 %", "7 changes since the last RDB file"):
        assert part in text
    assert "disk " not in text
    assert "Valkey 9.1.2" in "\n".join(shown(info + "valkey_version:9.1.2\n"))


def test_names_of_keys_cannot_disturb_the_screen() -> None:
    keys = [KeySample(b"\x1b[2J\xff\n[red]", 1, None, 3)]
    console = Console(width=80)
    with console.capture() as capture:
        after = Sample(2.0, 0.1, parse_info(INFO))
        console.print(screen(View("host:1"), Readings(None, after), keys, keys, 80, 24))
    assert "\\x1b[2J\\xff\\x0a[red]" in capture.get()
    assert "uses" in capture.get()
