"""The slow log: the newest slow commands, with arguments cut as Redis cuts them."""

from __future__ import annotations

import pytest

from dscache.engine.slowlog import SlowLog
from manual_workers import ScriptedEngine


@pytest.fixture
def scripted() -> ScriptedEngine:
    """An engine whose slow log takes everything."""
    scripted = ScriptedEngine(slowlog_log_slower_than="0")
    scripted.engine.slowlog.entries.clear()
    return scripted


def newest(scripted: ScriptedEngine) -> list[bytes]:
    """The arguments of the newest entry."""
    return scripted.engine.slowlog.entries[0].args


def test_entries_are_numbered_and_the_newest_comes_first(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "a", "1")
    scripted.run("GET", "a")
    numbers = [entry.number for entry in scripted.engine.slowlog.entries]
    assert numbers == sorted(numbers, reverse=True)
    assert newest(scripted) == [b"GET", b"a"]


def test_it_is_bounded(scripted: ScriptedEngine) -> None:
    scripted.engine.slowlog.max_length = 5
    for number in range(20):
        scripted.run("SET", "a", number)
    assert len(scripted.engine.slowlog.entries) == 5
    scripted.engine.slowlog.max_length = 0
    scripted.engine.slowlog.trim()
    assert not scripted.engine.slowlog.entries


def test_long_requests_are_cut(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "a", b"x" * 200)
    assert newest(scripted)[2] == b"x" * 128 + b"... (72 more bytes)"
    scripted.run("MGET", *(f"k{number}" for number in range(40)))
    assert len(newest(scripted)) == 32
    assert newest(scripted)[31] == b"... (10 more arguments)"


def test_a_negative_threshold_turns_it_off() -> None:
    scripted = ScriptedEngine(slowlog_log_slower_than="-1")
    scripted.run("SET", "a", "1")
    assert not scripted.engine.slowlog.entries


def test_time_spent_waiting_does_not_count() -> None:
    scripted = ScriptedEngine(slowlog_log_slower_than="1000000")
    replies = scripted.start("GET", "none")
    scripted.engine.turn()
    scripted.clock.advance(10)
    scripted.load()
    assert replies == [None]
    assert not scripted.engine.slowlog.entries


def test_its_defaults_are_those_of_redis() -> None:
    log = SlowLog()
    assert (log.threshold_us, log.max_length) == (10_000, 128)
