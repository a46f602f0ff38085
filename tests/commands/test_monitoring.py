"""SLOWLOG, LATENCY and MONITOR."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from driver import Driver
from dscache.clock import ManualClock
from dscache.engine.latency import Spikes
from dscache.engine.latency_report import age_text, graph
from dscache.engine.statistics import reset_statistics
from dscache.wire.reply import Status, Verbatim


@pytest.fixture
def driver() -> Iterator[Driver]:
    """An engine that logs every command as slow and remembers every spike of a millisecond."""
    driver = Driver(latency_monitor_threshold="1", slowlog_log_slower_than="0")
    # Commands and their statistics belong to the process, not to one engine.
    reset_statistics(driver.engine)
    driver.engine.slowlog.threshold_us = 0
    driver.engine.latency.threshold_ms = 1
    driver.session.address = "10.0.0.1:4000"
    yield driver
    driver.close()


def text(reply: object) -> str:
    """A verbatim reply's text."""
    assert isinstance(reply, Verbatim)
    return reply.text.decode()


# SLOWLOG


def entries(driver: Driver, *words: str) -> list[list[object]]:
    """SLOWLOG GET, whose own entry comes only afterwards."""
    return cast("list[list[object]]", driver.run("SLOWLOG", "GET", *words))


def test_the_slow_log_shows_the_newest_first(driver: Driver) -> None:
    driver.run("CLIENT", "SETNAME", "me")
    driver.run("SET", "a", "1")
    driver.run("GET", "a")
    newest, older, _ = entries(driver)
    assert newest == [2, 1_700_000_000, 0, [b"GET", b"a"], "10.0.0.1:4000", b"me"]
    assert older[3] == [b"SET", b"a", b"1"]


def test_the_slow_log_shows_ten_unless_told_otherwise(driver: Driver) -> None:
    for _ in range(15):
        driver.run("PING")
    assert len(entries(driver)) == 10
    assert len(entries(driver, "3")) == 3
    assert entries(driver, "0") == []
    assert len(entries(driver, "-1")) == driver.engine.slowlog.entries[0].number


@pytest.mark.parametrize("count", ["-2", "x", "1.5"])
def test_the_slow_log_refuses_a_wrong_count(driver: Driver, count: str) -> None:
    reply = driver.run("SLOWLOG", "GET", count)
    assert reply == b"-ERR count should be greater than or equal to -1"


def test_the_slow_log_takes_one_argument_at_most(driver: Driver) -> None:
    assert driver.run("SLOWLOG", "GET", "1", "2") == (
        b"-ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP."
    )


def test_the_slow_log_is_counted_and_emptied(driver: Driver) -> None:
    driver.run("PING")
    assert driver.run("SLOWLOG", "LEN") == 1
    assert driver.run("SLOWLOG", "RESET") == b"OK"
    # RESET and LEN are logged after they have run.
    assert driver.run("SLOWLOG", "LEN") == 1


# LATENCY


def spike(driver: Driver, event: str, *spikes: tuple[int, int]) -> None:
    """Note spikes (seconds before now, ms)."""
    for seconds, ms in spikes:
        driver.engine.latency.note(event, driver.clock.time() - seconds, ms / 1000)


def test_latest_shows_the_last_and_the_worst_spike(driver: Driver) -> None:
    spike(driver, "command", (20, 500), (10, 100))
    spike(driver, "load", (5, 7))
    assert driver.run("LATENCY", "LATEST") == [
        ["command", 1_699_999_990, 100, 500],
        ["load", 1_699_999_995, 7, 7],
    ]


def test_history_shows_every_spike_in_order(driver: Driver) -> None:
    spike(driver, "command", (20, 500), (10, 100), (10, 300))
    assert driver.run("LATENCY", "HISTORY", "command") == [
        [1_699_999_980, 500],
        [1_699_999_990, 300],
    ]
    assert driver.run("LATENCY", "HISTORY", "nosuch") == []


def test_reset_forgets_the_named_kinds_or_all(driver: Driver) -> None:
    for event in ("command", "load", "epoch"):
        spike(driver, event, (1, 5))
    assert driver.run("LATENCY", "RESET", "load", "nosuch") == 1
    assert driver.run("LATENCY", "HISTORY", "load") == []
    assert driver.run("LATENCY", "RESET") == 2
    assert driver.run("LATENCY", "LATEST") == []


def test_a_command_that_takes_long_is_a_spike() -> None:
    driver = Driver(None, ManualClock(step=0.005))
    driver.engine.latency.threshold_ms = 4
    driver.run("KEYS", "*")
    driver.run("GET", "a")
    events = [one[0] for one in cast("list[list[object]]", driver.run("LATENCY", "LATEST"))]
    assert {"command", "fast-command"} <= set(events)
    driver.close()


def test_a_graph_shows_one_column_for_each_spike(driver: Driver) -> None:
    spike(driver, "command", (7200, 100), (65, 40), (3, 10))
    assert text(driver.run("LATENCY", "GRAPH", "command")).splitlines() == [
        "command - high 100 ms, low 10 ms (all time high 100 ms)",
        "-" * 80,
        "#",
        "#",
        "#_",
        "##_",
        "",
        "213",
        "hms",
    ]


def test_a_graph_of_nothing_is_an_error(driver: Driver) -> None:
    assert driver.run("LATENCY", "GRAPH", "command") == (
        b"-ERR No samples available for event 'command'"
    )


def test_equal_spikes_are_equal_columns() -> None:
    spikes = Spikes()
    spikes.add(10, 5)
    spikes.add(11, 5)
    assert "\n__\n" in graph("load", spikes, 12)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-1, "0s"), (0, "0s"), (59, "59s"), (60, "1m"), (3600, "1h"), (200_000, "2d")],
)
def test_ages_are_short(seconds: int, shown: str) -> None:
    assert age_text(seconds) == shown


def test_the_doctor_says_how_to_turn_the_monitor_on(driver: Driver) -> None:
    driver.engine.latency.threshold_ms = 0
    assert "CONFIG SET latency-monitor-threshold" in text(driver.run("LATENCY", "DOCTOR"))


def test_the_doctor_finds_nothing_where_nothing_is(driver: Driver) -> None:
    assert text(driver.run("LATENCY", "DOCTOR")) == "Nothing has taken 1 ms or more so far.\n"


def test_the_doctor_tells_what_was_slow_and_what_to_do(driver: Driver) -> None:
    spike(driver, "load", (20, 10), (10, 30))
    spike(driver, "odd", (1, 2))
    report = text(driver.run("LATENCY", "DOCTOR"))
    assert (
        "load: 2 spikes, on average 20 ms (mean deviation 10 ms), one every 10 s,"
        " the worst ever 30 ms.\n    Clients waited for keys" in report
    )
    assert "odd: 1 spike, on average 2 ms" in report


def test_the_histogram_counts_calls_by_duration(driver: Driver) -> None:
    driver.run("SET", "a", "1")
    driver.run("SET", "a", "2")
    driver.run("CONFIG", "GET", "port")
    once = {b"calls": 1, b"histogram_usec": {1: 1}}
    twice = {b"calls": 2, b"histogram_usec": {1: 2}}
    assert driver.run("LATENCY", "HISTOGRAM", "SET", "get", "nosuch") == {"set": twice}
    assert driver.run("LATENCY", "HISTOGRAM", "config") == {"config|get": once}
    assert driver.run("LATENCY", "HISTOGRAM", "config|get") == {"config|get": once}
    everything = cast("dict[str, object]", driver.run("LATENCY", "HISTOGRAM"))
    assert {"set", "config|get", "latency|histogram"} <= set(everything)


# MONITOR


def test_a_monitor_sees_what_others_do(driver: Driver) -> None:
    monitor = driver.new_session()
    lines: list[object] = []
    monitor.push = lines.append
    assert driver.run("MONITOR", session=monitor) == b"OK"
    driver.run("SELECT", "2")
    driver.run("SET", "a", 'say "\x01\n"')
    # Administration is not shown.
    driver.run("CONFIG", "GET", "port")
    shown = [line.text for line in lines if isinstance(line, Status)]
    assert shown == [
        b'1700000000.000000 [2 10.0.0.1:4000] "SELECT" "2"',
        b'1700000000.000000 [2 10.0.0.1:4000] "SET" "a" "say \\"\\x01\\n\\""',
    ]


def test_a_monitor_sees_a_script_before_what_it_calls(driver: Driver) -> None:
    driver.run("SET", "a", "1")
    driver.evict_all()
    monitor = driver.new_session()
    lines: list[object] = []
    monitor.push = lines.append
    driver.run("MONITOR", session=monitor)
    driver.run("EVAL", "redis.call('INCR', KEYS[1])", "1", "a")
    driver.run("MULTI")
    driver.run("EVAL", "return 1", "0")
    driver.run("EXEC")
    words = [line.text.split(b"]", 1)[1] for line in lines if isinstance(line, Status)]
    assert words[:2] == [b""" "EVAL" "redis.call('INCR', KEYS[1])" "1" "a\"""", b' "INCR" "a"']
    assert b' "EVAL" "return 1" "0"' in words
    assert sum(b"EVAL" in line for line in words) == 2


def test_a_monitor_sees_what_blocks_at_once_and_once(driver: Driver) -> None:
    monitor = driver.new_session()
    lines: list[object] = []
    monitor.push = lines.append
    driver.run("MONITOR", session=monitor)
    replies = driver.start("BLPOP", "a", "0", session=driver.new_session())
    driver.run("RPUSH", "a", "1")
    assert replies == [[b"a", b"1"]]
    words = [line.text.split(b"]", 1)[1] for line in lines if isinstance(line, Status)]
    assert words == [b' "BLPOP" "a" "0"', b' "RPUSH" "a" "1"']


def test_a_monitor_sees_nothing_after_reset(driver: Driver) -> None:
    monitor = driver.new_session()
    lines: list[object] = []
    monitor.push = lines.append
    driver.run("MONITOR", session=monitor)
    driver.run("RESET", session=monitor)
    lines.clear()
    driver.run("PING")
    assert lines == []
    assert not driver.engine.monitors.any


def test_monitor_is_refused_in_a_transaction(driver: Driver) -> None:
    driver.run("MULTI")
    driver.run("MONITOR")
    [reply] = cast("list[object]", driver.run("EXEC"))
    assert getattr(reply, "text", None) == b"ERR MONITOR isn't allowed for DENY BLOCKING client"


@pytest.mark.parametrize("name", ["SLOWLOG", "LATENCY"])
def test_help_lists_the_subcommands(driver: Driver, name: str) -> None:
    lines = cast("list[Status]", driver.run(name, "HELP"))
    assert lines[0].text.startswith(name.encode())
    assert lines[-2].text == b"HELP"
