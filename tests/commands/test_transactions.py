"""MULTI, EXEC, DISCARD, WATCH and UNWATCH, as clients meet them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from driver import Driver


@pytest.fixture
def driver() -> Iterator[Driver]:
    driver = Driver()
    yield driver
    driver.close()


def test_queued_commands_run_at_exec_and_answer_in_order(driver: Driver) -> None:
    driver.run("MULTI")
    assert driver.run("SET", "a", "1") == b"QUEUED"
    assert driver.run("INCR", "a") == b"QUEUED"
    assert driver.run("GET", "a") == b"QUEUED"
    replies = driver.run("EXEC")
    assert isinstance(replies, list)
    assert replies[1:] == [2, b"2"]


def test_multi_does_not_nest_and_its_relatives_need_it(driver: Driver) -> None:
    assert driver.run("EXEC") == b"-ERR EXEC without MULTI"
    assert driver.run("DISCARD") == b"-ERR DISCARD without MULTI"
    driver.run("MULTI")
    assert driver.run("MULTI") == b"-ERR MULTI calls can not be nested"
    assert driver.run("WATCH", "a") == b"-ERR WATCH inside MULTI is not allowed"
    assert driver.run("DISCARD") == b"OK"


def test_a_command_that_cannot_be_queued_makes_exec_refuse(driver: Driver) -> None:
    driver.run("MULTI")
    driver.run("SET", "a", "1")
    assert driver.run("GET") == b"-ERR wrong number of arguments for 'get' command"
    assert driver.run("EXEC") == b"-EXECABORT Transaction discarded because of previous errors."
    assert driver.run("GET", "a") is None


def test_a_command_that_fails_does_not_stop_the_others(driver: Driver) -> None:
    driver.run("SET", "a", "text")
    driver.run("MULTI")
    driver.run("INCR", "a")
    driver.run("SET", "b", "1")
    replies = driver.run("EXEC")
    assert isinstance(replies, list)
    assert len(replies) == 2
    assert driver.run("GET", "b") == b"1"


def test_exec_refuses_when_a_watched_key_was_changed_by_another_client(driver: Driver) -> None:
    other = driver.new_session()
    driver.run("SET", "a", "1")
    driver.run("WATCH", "a")
    driver.run("SET", "a", "2", session=other)
    driver.run("MULTI")
    driver.run("SET", "a", "3")
    assert type(driver.run("EXEC")).__name__ == "NullArray"
    assert driver.run("GET", "a") == b"2"


def test_unwatch_forgets_what_was_watched(driver: Driver) -> None:
    other = driver.new_session()
    driver.run("WATCH", "a")
    driver.run("SET", "a", "2", session=other)
    assert driver.run("UNWATCH") == b"OK"
    driver.run("MULTI")
    driver.run("SET", "a", "3")
    assert isinstance(driver.run("EXEC"), list)


def test_eviction_from_memory_and_reload_do_not_disturb_watch(driver: Driver) -> None:
    driver.run("SET", "a", "1")
    driver.run("WATCH", "a")
    driver.evict_all()
    assert driver.run("GET", "a") == b"1"
    driver.run("MULTI")
    driver.run("INCR", "a")
    assert driver.run("EXEC") == [2]


def test_a_watched_key_that_expires_makes_exec_refuse(driver: Driver) -> None:
    driver.run("SET", "a", "1", "PX", "100")
    driver.run("WATCH", "a")
    driver.advance(1.0)
    driver.run("MULTI")
    driver.run("SET", "b", "1")
    assert type(driver.run("EXEC")).__name__ == "NullArray"


@pytest.mark.parametrize(
    "queued",
    [
        ["GET a", "GET b", "INCR c"],
        ["SET a 1 NX", "SET b 1 XX", "SET c 1 KEEPTTL", "SET a 2 GET"],
        ["DEL a b", "EXISTS a", "RENAME c d", "EXPIRE a 100"],
        ["SELECT 1", "GET a", "SELECT 0", "GET a"],
    ],
)
def test_the_keys_of_all_queued_commands_are_loaded_before_exec_starts(
    driver: Driver, queued: list[str]
) -> None:
    driver.run("MSET", "a", "1", "b", "2", "c", "3")
    driver.evict_all()
    driver.run("MULTI")
    for command in queued:
        assert driver.run(*command.split()) == b"QUEUED"
    assert isinstance(driver.run("EXEC"), list)
    assert driver.engine.loader.blocking_loads == 0
