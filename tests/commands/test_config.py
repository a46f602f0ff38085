"""CONFIG: reading, changing and keeping directives, and that each change takes effect at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from driver import Driver
from dscache.cache.policy import Lru, S3Fifo
from dscache.cache.sampling import Lfu
from dscache.config import Config
from dscache.errors import ConfigError

MB = 1024 * 1024


@pytest.fixture
def driver() -> Iterator[Driver]:
    """An engine with settings that are not the defaults."""
    driver = Driver(slowlog_log_slower_than="77", active_expire_effort="3")
    yield driver
    driver.close()


# GET


def test_get_answers_directives_by_name_and_by_pattern(driver: Driver) -> None:
    assert driver.run("CONFIG", "GET", "maxmemory") == {b"maxmemory": b"67108864"}
    assert driver.run("CONFIG", "GET", "slowlog-*") == {
        b"slowlog-log-slower-than": b"77",
        b"slowlog-max-len": b"128",
    }
    assert driver.run("CONFIG", "GET", "hz", "PORT", "h?", "nothing") == {
        b"hz": b"10",
        b"PORT": b"6379",
    }
    everything = driver.run("CONFIG", "GET", "*")
    assert isinstance(everything, dict)
    assert everything.keys() >= {one.name.encode() for one in Config.directives()}


def test_patterns_match_whatever_the_case(driver: Driver) -> None:
    assert driver.run("CONFIG", "GET", "MaxMem?RY") == {b"maxmemory": b"67108864"}


# SET


def test_set_is_seen_by_get(driver: Driver) -> None:
    assert driver.run("CONFIG", "SET", "maxclients", "12", "Timeout", "9") == b"OK"
    assert driver.run("CONFIG", "GET", "maxclients", "timeout") == {
        b"maxclients": b"12",
        b"timeout": b"9",
    }


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("nothing", "1"), b"ERR Unknown option or number of arguments for CONFIG SET - 'nothing'"),
        (("hz", "1", "timeout"), b"ERR syntax error"),
        (("hz",), b"ERR wrong number of arguments for 'config|set' command"),
        (
            ("databases", "3"),
            (
                b"ERR CONFIG SET failed (possibly related to argument 'databases') - "
                b"can't set immutable config"
            ),
        ),
        (
            ("hz", "20", "timeout", "x"),
            (
                b"ERR CONFIG SET failed (possibly related to argument 'timeout') - "
                b"argument couldn't be parsed into an integer"
            ),
        ),
        (
            ("hz", "20", "hz", "30"),
            b"ERR CONFIG SET failed (possibly related to argument 'hz') - duplicate parameter",
        ),
    ],
)
def test_a_set_that_fails_changes_nothing(
    driver: Driver, words: tuple[str, ...], error: bytes
) -> None:
    assert driver.run("CONFIG", "SET", *words) == b"-" + error
    assert driver.run("CONFIG", "GET", "hz") == {b"hz": b"10"}


def test_a_veto_reaches_the_client(driver: Driver) -> None:
    def refuse(config: Config) -> None:
        raise ConfigError("the port is taken")

    driver.engine.config.on_change(("port",), refuse)
    assert driver.run("CONFIG", "SET", "hz", "20", "port", "1") == (
        b"-ERR CONFIG SET failed (possibly related to argument 'port') - the port is taken"
    )
    assert driver.run("CONFIG", "GET", "hz", "port") == {b"hz": b"10", b"port": b"6379"}


# Effects


def test_start_values_are_taken_into_use(driver: Driver) -> None:
    assert driver.engine.slowlog.threshold_us == 77
    assert driver.engine.expiry.effort == 3


def test_settings_of_the_engine_follow_at_once(driver: Driver) -> None:
    engine = driver.engine
    driver.run("CONFIG", "SET", "cache-flush-delay", "2.5", "active-expire-effort", "7")
    assert engine.pacer.flush_delay_seconds == 2.5
    assert engine.expiry.effort == 7
    driver.run("CONFIG", "SET", "latency-monitor-threshold", "15", "latency-tracking", "no")
    assert engine.latency.threshold_ms == 15
    assert not engine.latency_tracking
    driver.run("CONFIG", "SET", "slowlog-log-slower-than", "0")
    driver.run("PING")
    driver.run("PING")
    assert len(engine.slowlog.entries) >= 2
    driver.run("CONFIG", "SET", "slowlog-max-len", "1", "slowlog-log-slower-than", "-1")
    assert len(engine.slowlog.entries) == 1


def test_the_memory_bound_follows_at_once(driver: Driver) -> None:
    for number in range(40):
        driver.run("SET", f"key:{number}", b"x" * 500_000)
    driver.flush()
    before = driver.engine.residency.entries_bytes
    assert driver.run("CONFIG", "SET", "maxmemory", "16mb") == b"OK"
    driver.engine.turn()
    assert driver.engine.memory.maxmemory == 16 * MB
    assert driver.engine.residency.entries_bytes <= driver.engine.residency.limit_bytes < before
    for number in range(40):
        assert driver.run("GET", f"key:{number}") == b"x" * 500_000


def test_a_change_of_the_memory_bound_does_not_cut_a_transaction_in_two(driver: Driver) -> None:
    driver.run("CONFIG", "SET", "cache-flush-delay", "0")
    driver.run("MULTI")
    driver.run("SET", "a", "1")
    driver.run("CONFIG", "SET", "maxmemory", "32mb")
    driver.run("SET", "b", "1")
    cuts = driver.engine.flusher.last_cut
    driver.engine.execute(driver.session, [b"EXEC"])
    assert driver.engine.flusher.last_cut == cuts


def test_maxmemory_0_means_a_share_of_the_machine(driver: Driver) -> None:
    assert driver.run("CONFIG", "SET", "maxmemory", "0") == b"OK"
    assert driver.engine.memory.maxmemory == driver.engine.config.resolved_maxmemory() > 0


def test_the_eviction_policy_can_be_changed_while_there_are_keys(driver: Driver) -> None:
    for number in range(20):
        driver.run("SET", f"key:{number}", number)
    driver.flush()
    residency = driver.engine.residency
    for name, kind in (("lru", Lru), ("lfu", Lfu), ("s3fifo", S3Fifo)):
        assert driver.run("CONFIG", "SET", "cache-policy", name) == b"OK"
        assert isinstance(residency.policy, kind)
        assert all(driver.run("GET", f"key:{n}") == b"%d" % n for n in range(20))
    driver.evict_all()
    assert all(driver.run("GET", f"key:{n}") == b"%d" % n for n in range(20))


@pytest.mark.parametrize("first", ["s3fifo", "sieve", "lru", "lfu", "random"])
@pytest.mark.parametrize("second", ["s3fifo", "sieve", "lru", "lfu", "random"])
def test_keys_that_are_being_changed_take_part_in_a_new_policy_too(first: str, second: str) -> None:
    driver = Driver(cache_policy=first)
    try:
        for number in range(200):
            driver.run("SET", f"key:{number}", number)
        driver.flush()
        for number in range(0, 200, 2):
            driver.run("GET", f"key:{number}")
            driver.run("SET", f"key:{number}", number)
        driver.run("CONFIG", "SET", "cache-policy", second)
        driver.run("SET", "key:1", "1")
        driver.evict_all()
        assert all(driver.run("GET", f"key:{n}") == b"%d" % n for n in range(200))
    finally:
        driver.close()


def test_parameters_of_the_lfu_policy_follow(driver: Driver) -> None:
    driver.run("CONFIG", "SET", "cache-policy", "lfu", "lfu-log-factor", "3")
    policy = driver.engine.residency.policy
    driver.run("CONFIG", "SET", "lfu-decay-time", "5")
    assert isinstance(policy, Lfu)
    assert driver.engine.residency.policy is policy
    assert (policy.log_factor, policy.decay_minutes) == (3, 5)


def test_a_new_password_is_asked_of_newcomers_only(driver: Driver) -> None:
    assert driver.run("CONFIG", "SET", "requirepass", b"p\xff") == b"OK"
    assert driver.run("CONFIG", "GET", "requirepass") == {b"requirepass": b"p\xff"}
    newcomer = driver.new_session()
    assert driver.run("PING", session=newcomer) == b"-NOAUTH Authentication required."
    assert driver.run("AUTH", b"p\xff", session=newcomer) == b"OK"


def test_without_the_password_those_at_the_door_are_let_in(driver: Driver) -> None:
    driver.run("CONFIG", "SET", "requirepass", "secret")
    newcomer = driver.new_session()
    driver.run("CONFIG", "SET", "requirepass", "")
    assert driver.run("PING", session=newcomer) == b"PONG"


# RESETSTAT, REWRITE, HELP


def test_resetstat_sets_all_counters_to_zero(driver: Driver) -> None:
    driver.run("SET", "key", "value")
    driver.evict_all()
    driver.run("GET", "key")
    driver.run("GET", "missing")
    driver.run("NOTHING")
    driver.run("CONFIG", "SET", "hz")
    engine = driver.engine
    assert min(engine.residency.evicted, engine.loader.loads, engine.flusher.epochs) > 0
    assert driver.run("CONFIG", "RESETSTAT") == b"OK"
    stats = engine.core.stats
    assert (stats.keyspace_hits, stats.keyspace_misses, stats.cache_misses) == (0, 0, 0)
    assert (engine.residency.evicted, engine.loader.loads, engine.flusher.epochs) == (0, 0, 0)
    assert (engine.total_errors, engine.errors) == (0, {})
    # What has run since is the RESETSTAT itself.
    assert engine.total_commands == 1
    called = {command.name: int(command.calls) for command in engine.table.all() if command.calls}
    assert called == {"config|resetstat": 1}
    assert all(command.rejected_calls == 0 for command in engine.table.all())


def test_rewrite_keeps_what_set_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "dscache.conf"
    path.write_text("# mine\nhz 20\n")
    driver = Driver()
    try:
        driver.engine.config.path = str(path)
        driver.run("CONFIG", "SET", "hz", "30", "requirepass", b"a b\xff")
        assert driver.run("CONFIG", "REWRITE") == b"OK"
    finally:
        driver.close()
    assert path.read_text(errors="surrogateescape").startswith("# mine\nhz 30\n")
    again = Config.from_arguments(str(path), [])
    assert (again.hz, again.requirepass) == (30, "a b\udcff")


def test_rewrite_needs_a_file(driver: Driver) -> None:
    assert driver.run("CONFIG", "REWRITE") == (b"-ERR The server is running without a config file")


def test_help_names_every_subcommand(driver: Driver) -> None:
    lines = driver.run("CONFIG", "HELP")
    assert isinstance(lines, list)
    texts = [line.text.decode() for line in lines]
    assert texts[0].startswith("CONFIG <subcommand>")
    for name in ("GET parameter [parameter ...]", "RESETSTAT", "REWRITE", "HELP"):
        assert name in texts
