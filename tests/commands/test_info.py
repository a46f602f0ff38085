"""INFO: its sections, the figures that change when something happens, and their documentation."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from driver import Driver, rocks_driver
from dscache.engine.engine import Engine
from dscache.engine.figures.figure import Figure, human_bytes
from dscache.engine.figures.table import SECTIONS
from dscache.engine.serverinfo import Rate
from dscache.engine.statistics import reset_statistics
from dscache.store.memory import MemoryStore
from dscache.wire.reply import Verbatim

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "info.md"


@pytest.fixture
def driver() -> Iterator[Driver]:
    """An engine over a store in memory."""
    driver = Driver()
    # Commands and their statistics belong to the process, not to one engine.
    reset_statistics(driver.engine)
    yield driver
    driver.close()


def text_of(driver: Driver, *sections: str) -> str:
    """INFO's text."""
    reply = driver.run("INFO", *sections)
    assert isinstance(reply, Verbatim)
    return reply.text.decode()


def fields(driver: Driver, *sections: str) -> dict[str, str]:
    """INFO's fields, or those of some sections."""
    lines = text_of(driver, *sections).splitlines()
    return dict(line.split(":", 1) for line in lines if line and not line.startswith("#"))


def titles(driver: Driver, *sections: str) -> list[str]:
    """The titles of the sections that INFO shows, in order."""
    return re.findall(r"^# (\w+)\r$", text_of(driver, *sections), re.MULTILINE)


# Sections


def test_info_shows_the_sections_that_operators_look_at(driver: Driver) -> None:
    assert " ".join(titles(driver)) == (
        "Server Clients Memory Cache Store Persistence Stats Replication CPU Modules Errorstats"
        " Cluster Keyspace"
    )
    assert text_of(driver, "default").startswith("# Server\r\nredis_version:7.")


@pytest.mark.parametrize("word", ["all", "everything", "ALL"])
def test_all_shows_every_section(driver: Driver, word: str) -> None:
    assert titles(driver, word) == [section.title for section in SECTIONS]


def test_only_the_named_sections_are_shown_in_the_order_of_the_server(driver: Driver) -> None:
    assert titles(driver, "STORE", "cache", "nosuch") == ["Cache", "Store"]
    assert titles(driver, "default", "commandstats")[-4:] == [
        "Commandstats",
        "Errorstats",
        "Cluster",
        "Keyspace",
    ]


def test_an_unknown_section_is_empty(driver: Driver) -> None:
    assert text_of(driver, "nosuch") == ""


def test_an_empty_line_stands_between_two_sections(driver: Driver) -> None:
    assert text_of(driver, "modules", "cluster") == (
        "# Modules\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n"
    )


def test_every_field_is_declared_once() -> None:
    names = [member.name for section in SECTIONS for member in section.members]
    assert sorted(set(names)) == sorted(names)


def test_every_field_that_info_shows_is_documented(driver: Driver) -> None:
    driver.run("SET", "key", "value")
    driver.run("GET")
    text = DOCUMENTATION.read_text("utf-8")
    documented = re.findall(r"^\| `([^`]+)`", text, re.MULTILINE)
    documented += re.findall(r"^`([^:`]+):", text, re.MULTILINE)
    patterns = [re.sub(r"<\w+>", ".+", re.escape(name)) for name in documented]
    for name in fields(driver, "everything"):
        assert any(re.fullmatch(pattern, name) for pattern in patterns), name


def test_figures_are_numbers_unless_they_are_declared_as_text(driver: Driver) -> None:
    shown = fields(driver, "all")
    for section in SECTIONS:
        for member in section.members:
            if isinstance(member, Figure):
                value = shown[member.name].rstrip("%")
                is_number = re.fullmatch(r"-?\d+(\.\d+)?", value) is not None
                assert is_number or member.kind == "text", member.name


def test_fields_that_clients_and_dashboards_look_for_are_there(driver: Driver) -> None:
    wanted = """
        redis_version redis_mode os arch_bits process_id run_id tcp_port uptime_in_seconds hz
        connected_clients blocked_clients maxclients
        used_memory used_memory_human used_memory_rss used_memory_peak maxmemory maxmemory_human
        maxmemory_policy mem_fragmentation_ratio mem_clients_normal total_system_memory
        loading rdb_changes_since_last_save rdb_last_save_time rdb_last_bgsave_status aof_enabled
        total_connections_received total_commands_processed instantaneous_ops_per_sec
        total_net_input_bytes total_net_output_bytes rejected_connections expired_keys
        evicted_keys keyspace_hits keyspace_misses total_error_replies
        role connected_slaves master_replid cluster_enabled used_cpu_sys used_cpu_user
        cache_resident_keys cache_dirty_keys cache_saving_keys cache_used_bytes
        cache_limit_bytes cache_policy cache_hits cache_misses cache_hit_ratio
        cache_absent_keys cache_evicted cache_loads cache_loads_in_progress
        cache_waiting_clients cache_faults cache_blocking_loads cache_writers_waiting
        store_engine store_epochs store_last_commit_ms store_last_commit_keys
        store_oldest_dirty_ms store_bytes_read store_bytes_written store_size_bytes
        store_last_error store_memory_bytes
    """
    assert set(wanted.split()) - set(fields(driver)) == set()


# What the figures say


def test_the_data_set_is_counted_in_memory_and_on_disk(driver: Driver) -> None:
    driver.run("SET", "a", "1")
    driver.run("SET", "b", "1", "EX", "100")
    driver.run("SELECT", "3")
    driver.run("HSET", "c", "f", "v")
    driver.run("HEXPIRE", "c", "100", "FIELDS", "1", "f")
    expected = {
        "db0": "keys=2,expires=1,avg_ttl=0,subexpiry=0",
        "db3": "keys=1,expires=0,avg_ttl=0,subexpiry=1",
    }
    assert fields(driver, "keyspace") == expected
    driver.evict_all()
    assert fields(driver, "keyspace") == expected


def test_the_cache_tells_dirty_keys_from_clean_and_absent_ones(driver: Driver) -> None:
    driver.run("SET", "a", "1")
    driver.run("SET", "b", "1")
    cache = fields(driver, "cache")
    assert (cache["cache_resident_keys"], cache["cache_dirty_keys"]) == ("2", "2")
    driver.flush()
    driver.run("GET", "nosuch")
    cache = fields(driver, "cache")
    assert (cache["cache_resident_keys"], cache["cache_dirty_keys"]) == ("2", "0")
    assert cache["cache_absent_keys"] == "1"
    driver.evict_all()
    cache = fields(driver, "cache")
    assert (cache["cache_resident_keys"], cache["cache_evicted"]) == ("0", "2")


def test_hits_and_misses_of_the_cache_are_counted(driver: Driver) -> None:
    driver.run("SET", "a", "1")
    driver.evict_all()
    driver.run("CONFIG", "RESETSTAT")
    driver.run("GET", "a")
    for _ in range(3):
        driver.run("GET", "a")
    cache = fields(driver, "cache")
    assert (cache["cache_hits"], cache["cache_misses"]) == ("3", "1")
    assert cache["cache_hit_ratio"] == "0.7500"
    assert cache["cache_loads"] == "1"


def test_a_client_that_waits_for_the_disk_is_shown(driver: Driver) -> None:
    driver.run("SET", "a", "1")
    driver.evict_all()
    waiting = driver.new_session()
    replies = driver.start("GET", "a", session=waiting)
    shown = fields(driver, "all")
    assert (shown["blocked_clients"], shown["cache_waiting_clients"]) == ("0", "1")
    assert shown["cache_loads_in_progress"] == "1"
    driver.turn_until(lambda: bool(replies))
    shown = fields(driver, "all")
    assert (shown["blocked_clients"], shown["cache_waiting_clients"]) == ("0", "0")


def test_the_store_tells_of_its_epochs(driver: Driver) -> None:
    store = fields(driver, "store")
    assert (store["store_engine"], store["store_epochs"]) == ("memory", "0")
    driver.run("SET", "a", "1")
    assert fields(driver, "store")["store_unsaved_changes"] == "1"
    before = int(time.time())
    driver.flush()
    store = fields(driver, "store")
    assert (store["store_epochs"], store["store_last_commit_keys"]) == ("1", "1")
    assert (store["store_oldest_dirty_ms"], store["store_last_error"]) == ("0", "")
    assert store["store_unsaved_changes"] == "0"
    assert before <= int(store["store_last_commit_time"]) <= int(time.time())


def test_a_store_on_disk_tells_its_size(tmp_path: Path) -> None:
    driver = rocks_driver(tmp_path)
    for number in range(100):
        driver.run("SET", f"key:{number}", "x" * 100)
    driver.evict_all()
    driver.run("GET", "key:1")
    store = fields(driver, "store")
    assert store["store_engine"] == "rocksdb"
    assert int(store["store_bytes_written"]) > 10_000
    assert int(store["store_bytes_read"]) > 100
    assert int(store["store_size_bytes"]) > 10_000
    assert int(store["store_memory_bytes"]) > 0
    driver.close()


def test_a_store_that_fails_is_shown() -> None:
    store = MemoryStore()
    driver = Driver(store)
    store.fail_commits = True
    driver.run("SET", "a", "1")
    driver.engine.flusher.cut()
    driver.turn_until(lambda: not driver.engine.flusher.is_saving)
    assert fields(driver, "store")["store_last_error"] != ""
    store.fail_commits = False
    driver.flush()
    assert fields(driver, "store")["store_last_error"] == ""
    driver.close()


def test_calls_rejections_and_failures_are_counted_by_command(driver: Driver) -> None:
    driver.run("SET", "a", "x")
    driver.run("INCR", "a")
    driver.run("GET")
    driver.run("CONFIG", "GET", "port")
    stats = fields(driver, "commandstats")
    assert re.fullmatch(
        r"calls=1,usec=\d+,usec_per_call=\d+\.\d\d,rejected_calls=0,failed_calls=0",
        stats["cmdstat_set"],
    )
    assert stats["cmdstat_incr"].endswith("rejected_calls=0,failed_calls=1")
    assert stats["cmdstat_get"].startswith("calls=0,usec=0,usec_per_call=0.00,rejected_calls=1")
    assert "cmdstat_config|get" in stats
    assert "cmdstat_del" not in stats
    assert fields(driver, "errorstats") == {"errorstat_ERR": "count=2"}
    assert fields(driver, "stats")["total_error_replies"] == "2"


def test_a_script_that_makes_up_error_codes_does_not_fill_memory(driver: Driver) -> None:
    answer = "return redis.error_reply(ARGV[1] .. ' message')"
    for number in range(128):
        driver.run("EVAL", answer, 0, f"CODE{number}")
    assert len(fields(driver, "errorstats")) == 128
    assert fields(driver, "commandstats")["cmdstat_eval"].endswith("failed_calls=128")
    driver.run("EVAL", answer, 0, "ANOTHER")
    driver.run("EVAL", answer, 0, "CODE1")
    assert fields(driver, "errorstats") == {"errorstat_ERRORSTATS_DISABLED": "count=1"}
    assert fields(driver, "stats")["total_error_replies"] == "130"
    driver.run("CONFIG", "RESETSTAT")
    driver.run("EVAL", answer, 0, "L" * 30)
    driver.run("EVAL", answer, 0, "L" * 31)
    assert fields(driver, "errorstats") == {
        f"errorstat_{'L' * 30}": "count=1",
        "errorstat_ERR": "count=1",
    }


def test_latency_percentiles_are_those_that_are_asked_for(driver: Driver) -> None:
    driver.run("SET", "a", "1")
    assert fields(driver, "latencystats")["latency_percentiles_usec_set"] == (
        "p50=0.000,p99=0.000,p99.9=0.000"
    )
    driver.run("CONFIG", "SET", "latency-tracking-info-percentiles", "90")
    assert fields(driver, "latencystats")["latency_percentiles_usec_set"] == "p90=0.000"


def test_what_the_disk_takes_is_told_as_percentiles_and_as_buckets_until_it_is_reset(
    driver: Driver,
) -> None:
    def told() -> dict[str, str]:
        shown = fields(driver, "latencystats")
        return {name: text for name, text in shown.items() if name.startswith("disk_latency_")}

    assert told() == {}
    for seconds in (0.000_010, 0.000_020, 0.004):
        driver.engine.latency.note_load(1.0, seconds)
    driver.engine.latency.note_sync(0.000_005)
    assert told() == {
        "disk_latency_percentiles_usec_load": "p50=20.000,p99=4095.000,p99.9=4095.000",
        "disk_latency_percentiles_usec_sync": "p50=5.000,p99=5.000,p99.9=5.000",
        "disk_latency_buckets_usec_load": "10=1,20=1,4095=1",
        "disk_latency_buckets_usec_sync": "5=1",
    }
    driver.run("CONFIG", "SET", "latency-tracking", "no")
    assert "disk_latency_buckets_usec_sync" in told()
    driver.run("CONFIG", "RESETSTAT")
    assert told() == {}


def test_full_memory_never_costs_a_key_in_the_terms_of_redis(driver: Driver) -> None:
    driver.run("SET", "a", "1")
    driver.evict_all()
    shown = fields(driver, "all")
    assert (shown["evicted_keys"], shown["maxmemory_policy"]) == ("0", "noeviction")


def test_used_memory_is_the_sum_of_what_is_accounted(driver: Driver) -> None:
    driver.engine.clients_bytes = lambda: 1000
    driver.run("SET", "a", "x" * 5000)
    memory = fields(driver, "memory")
    total = sum(
        int(memory[name]) for name in ("mem_entries", "mem_saving_epoch", "mem_policy", "mem_store")
    )
    assert int(memory["used_memory"]) == total + 1000
    assert memory["mem_clients_normal"] == "1000"
    assert memory["maxmemory_human"] == "64.00M"
    assert int(memory["used_memory_rss"]) > int(memory["used_memory_startup"]) // 2


def test_the_peak_of_memory_remains_when_memory_is_free_again(driver: Driver) -> None:
    driver.run("SET", "a", "x" * 100_000)
    driver.engine.tick()
    highest = fields(driver, "memory")["used_memory"]
    driver.run("DEL", "a")
    driver.evict_all()
    memory = fields(driver, "memory")
    assert int(memory["used_memory_peak"]) >= int(highest)
    assert int(memory["used_memory"]) < int(highest)


def test_uptime_follows_the_clock(driver: Driver) -> None:
    driver.advance(3 * 86400 + 5)
    server = fields(driver, "server")
    assert (server["uptime_in_seconds"], server["uptime_in_days"]) == ("259205", "3")


def test_resetstat_begins_anew(driver: Driver) -> None:
    driver.engine.counters.connections_received += 3
    driver.run("NOSUCH")
    driver.run("CONFIG", "RESETSTAT")
    stats = fields(driver, "stats")
    assert stats["total_connections_received"] == "0"
    assert stats["total_error_replies"] == "0"
    assert fields(driver, "errorstats") == {}


def test_listeners_are_shown(driver: Driver) -> None:
    driver.engine.counters.tcp_port = 7000
    assert fields(driver, "server")["listener0"] == "name=tcp,bind=127.0.0.1,bind=-::1,port=7000"


def test_info_can_be_asked_for_in_a_transaction(driver: Driver) -> None:
    driver.run("MULTI")
    driver.run("INFO", "cluster")
    replies = driver.run("EXEC")
    assert isinstance(replies, list)
    assert isinstance(replies[0], Verbatim)


def test_reading_a_figure_changes_none(driver: Driver) -> None:
    driver.run("SET", "a", "1")
    driver.flush()

    def steady(engine: Engine) -> dict[str, object]:
        # What time alone changes is left out.
        moving = ("used_cpu", "used_memory", "mem_fragmentation", "server_time", "uptime")
        return {
            member.name: member.read(engine)
            for section in SECTIONS
            for member in section.members
            if isinstance(member, Figure) and not member.name.startswith(moving)
        }

    assert steady(driver.engine) == steady(driver.engine)


# Rates


def test_a_rate_is_the_mean_of_its_last_sixteen_samples() -> None:
    rate = Rate()
    assert rate.per_second() == 0.0
    rate.sample(10.0, 0)
    for step in range(1, 30):
        # 100 a second at first, 200 in the last eight steps.
        rate.sample(10.0 + step / 4, 25 * step + 25 * max(step - 21, 0))
    assert rate.per_second() == 150.0


def test_samples_that_come_too_early_are_ignored() -> None:
    rate = Rate()
    rate.sample(1.0, 0)
    rate.sample(1.01, 1_000_000)
    assert rate.per_second() == 0.0
    rate.sample(2.0, 500)
    assert rate.per_second() == 500.0


def test_a_counter_that_was_reset_is_no_negative_rate() -> None:
    rate = Rate()
    rate.sample(1.0, 0)
    rate.sample(2.0, 100)
    rate.sample(3.0, 10)
    rate.sample(4.0, 110)
    assert rate.per_second() == 100.0


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0B"), (1023, "1023B"), (1024, "1.00K"), (1536 * 1024, "1.50M"), (2**50, "1.00P")],
)
def test_sizes_are_shown_in_the_unit_that_suits(count: int, text: str) -> None:
    assert human_bytes(count) == text


def test_the_last_element_and_its_key_are_one_change(driver: Driver) -> None:
    driver.run("RPUSH", "k", "1")
    driver.run("LPOP", "k")
    assert fields(driver, "persistence")["rdb_changes_since_last_save"] == "2"
