"""What two INFOs tell together, for dscache top."""

from __future__ import annotations

import pytest

from dscache.cli.readings import (
    CommandUse,
    DiskLatency,
    Readings,
    Sample,
    parse_clients,
    parse_info,
)

INFO = """# Server
dscache_version:1.2.3
uptime_in_seconds:100
# Memory
used_memory:750
maxmemory:1000
# Stats
total_commands_processed:{commands}
cache_hits:{hits}
cache_misses:{misses}
cmdstat_get:calls={gets},usec={get_us},usec_per_call=0,rejected_calls=0,failed_calls=0
cmdstat_client|list:calls=1,usec=10,usec_per_call=10,rejected_calls=0,failed_calls=0
db0:keys=10,expires=0,avg_ttl=0
db12:keys=5,expires=0,avg_ttl=0
dbfoo:keys=99
"""


def sample(when: float, clients: str = "", **figures: int) -> Sample:
    known = {"commands": 0, "hits": 0, "misses": 0, "gets": 0, "get_us": 0, **figures}
    return Sample(when, 0.5, parse_info(INFO.format(**known)), parse_clients(clients))


def test_counters_become_rates() -> None:
    readings = Readings(sample(10, commands=1000), sample(12, commands=1500))
    assert readings.rate("total_commands_processed") == 250
    assert readings.rate("no_such_field") is None
    assert readings.rate("dscache_version") is None


def test_the_first_look_has_no_rates_but_totals() -> None:
    readings = Readings(None, sample(10, hits=3, misses=1, gets=50, get_us=2000))
    assert readings.rate("total_commands_processed") is None
    assert readings.hit_ratio() == 0.75
    assert CommandUse("get", 0.5, 0.00002, 40.0) in readings.commands()


def test_a_counter_that_was_reset_has_not_shrunk() -> None:
    before, after = sample(1, commands=900, gets=90, get_us=90), sample(2, gets=2, get_us=8)
    readings = Readings(before, after)
    assert readings.rate("total_commands_processed") == 0
    assert readings.commands() == [CommandUse("get", 2.0, 0.000008, 4.0)]


def test_the_hit_ratio_is_that_of_the_last_interval_if_anything_was_looked_up() -> None:
    before = sample(1, hits=1000, misses=1000)
    assert Readings(before, sample(2, hits=1009, misses=1001)).hit_ratio() == 0.9
    assert Readings(before, sample(2, hits=1000, misses=1000)).hit_ratio() == 0.5
    assert Readings(None, sample(2)).hit_ratio() is None


def test_the_hit_ratio_of_a_server_without_a_cache_is_that_of_its_lookups() -> None:
    info = parse_info("keyspace_hits:1\nkeyspace_misses:3\n")
    assert Readings(None, Sample(1, 0.1, info)).hit_ratio() == 0.25


def test_commands_are_those_that_were_called_since_the_last_look() -> None:
    before, after = sample(1, gets=10, get_us=100), sample(3, gets=30, get_us=1100)
    assert Readings(before, after).commands() == [CommandUse("get", 10.0, 0.0005, 50.0)]


def disk_sample(when: float, **buckets: str) -> Sample:
    return Sample(
        when,
        0.1,
        {f"disk_latency_buckets_usec_{event}": text for event, text in buckets.items()},
    )


def test_the_disk_took_what_it_took_since_the_last_look_or_ever_if_it_did_nothing() -> None:
    before = disk_sample(1, load="100=50", epoch="9000=3")
    after = disk_sample(2, load="100=50,200=99,70000=1", epoch="9000=3", sync="500=1,600=1")
    assert Readings(before, after).disk_latencies() == [
        DiskLatency("load", 0.2, 0.2, is_recent=True),
        DiskLatency("epoch", 9.0, 9.0, is_recent=False),
        DiskLatency("sync", 0.5, 0.6, is_recent=True),
    ]
    assert Readings(None, after).disk_latencies()[0] == DiskLatency(
        "load", 0.2, 0.2, is_recent=False
    )
    assert Readings(None, sample(1)).disk_latencies() == []


@pytest.mark.parametrize("before", ["100=5,9000=2", "300=1"])
def test_what_the_disk_took_before_a_reset_is_not_held_against_it(before: str) -> None:
    readings = Readings(disk_sample(1, load=before), disk_sample(2, load="100=1"))
    assert readings.disk_latencies() == [DiskLatency("load", 0.1, 0.1, is_recent=True)]


def test_memory_is_a_share_of_its_bound_if_there_is_one() -> None:
    assert Readings(None, sample(1)).memory_share() == 0.75
    unbounded = Sample(1, 0.1, {"used_memory": "5", "maxmemory": "0"})
    assert Readings(None, unbounded).memory_share() is None


def test_keys_are_counted_over_all_databases() -> None:
    assert Readings(None, sample(1)).keys() == 15


CLIENTS = """id=1 addr=a:1 flags=N cmd=get idle=5 wait=disk:12
id=2 addr=a:2 flags=N cmd=client|list idle=0 wait=
id=3 addr=a:3 flags=b cmd=blpop idle=7 wait=blocked:7012
id=4 addr=a:4 flags=b cmd=xread idle=3
id=5 addr= flags=N name=a=b cmd=NULL
"""


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_who_waits_longest_comes_first(ending: str) -> None:
    readings = Readings(None, sample(1, CLIENTS.replace("\n", ending)))
    assert [(one.address, one.command, one.reason, one.ms) for one in readings.waiting()] == [
        ("a:3", "blpop", "blocked", 7012),
        ("a:4", "xread", "change", 3000),  # of a server that does not say what for
        ("a:1", "get", "disk", 12),
    ]
