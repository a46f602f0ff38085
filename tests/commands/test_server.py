"""FLUSHDB, FLUSHALL, SWAPDB, TIME and SHUTDOWN."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from driver import Driver
from dscache.errors import DscacheError, StoreError
from dscache.store.batch import Batch
from dscache.store.memory import MemoryStore
from dscache.wire.reply import NO_REPLY, Verbatim


@pytest.fixture
def driver() -> Iterator[Driver]:
    """An engine."""
    driver = Driver()
    yield driver
    driver.close()


@pytest.fixture(params=["in memory", "on disk only"])
def settle(request: pytest.FixtureRequest, driver: Driver) -> Callable[[], None]:
    """Where the keys written so far are to be."""

    def move() -> None:
        if request.param == "on disk only":
            driver.evict_all()

    return move


# FLUSHDB and FLUSHALL


@pytest.mark.parametrize("mode", [(), ("ASYNC",), ("sync",)])
def test_flushdb_empties_the_selected_database(
    driver: Driver, settle: Callable[[], None], mode: tuple[str, ...]
) -> None:
    driver.run("SET", "key", "0")
    driver.run("SELECT", "1")
    driver.run("SET", "key", "1", "PX", "100000")
    settle()
    assert driver.run("FLUSHDB", *mode) == b"OK"
    assert driver.run("GET", "key") is None
    assert driver.engine.keyspaces[1].space.keys == 0
    assert driver.engine.keyspaces[1].space.expires == 0
    driver.run("SELECT", "0")
    assert driver.run("GET", "key") == b"0"


def test_flushall_empties_all_databases(driver: Driver, settle: Callable[[], None]) -> None:
    for index in (0, 3, 15):
        driver.run("SELECT", index)
        driver.run("SET", "key", index)
    settle()
    assert driver.run("FLUSHALL") == b"OK"
    for index in (0, 3, 15):
        driver.run("SELECT", index)
        assert driver.run("GET", "key") is None


def test_what_was_flushed_stays_away_after_a_commit(driver: Driver) -> None:
    driver.run("SET", "key", "old")
    driver.evict_all()
    driver.run("FLUSHALL")
    driver.evict_all()
    assert driver.run("GET", "key") is None
    driver.run("SET", "key", "new")
    driver.evict_all()
    assert driver.run("GET", "key") == b"new"


def test_flushes_refuse_other_words(driver: Driver) -> None:
    for command in ("FLUSHDB", "FLUSHALL"):
        assert driver.run(command, "LATER") == b"-ERR syntax error"
        assert driver.run(command, "SYNC", "ASYNC") == b"-ERR syntax error"


def test_a_flush_touches_the_watched_keys_that_existed(
    driver: Driver, settle: Callable[[], None]
) -> None:
    driver.run("SET", "key", "1")
    settle()
    driver.run("WATCH", "key")
    driver.run("FLUSHALL", session=driver.new_session())
    driver.run("MULTI")
    driver.run("PING")
    reply = driver.run("EXEC")
    assert not isinstance(reply, list)


def test_a_flush_does_not_touch_watched_keys_that_did_not_exist(driver: Driver) -> None:
    driver.run("SET", "other", "1")
    driver.run("WATCH", "key")
    driver.run("FLUSHDB", session=driver.new_session())
    driver.run("MULTI")
    driver.run("PING")
    assert isinstance(driver.run("EXEC"), list)


def test_a_flush_can_be_part_of_a_transaction(driver: Driver, settle: Callable[[], None]) -> None:
    driver.run("SET", "key", "old")
    settle()
    driver.run("MULTI")
    driver.run("FLUSHDB")
    driver.run("GET", "key")
    driver.run("SET", "key", "new")
    reply = driver.run("EXEC")
    assert isinstance(reply, list)
    assert reply[1] is None
    driver.evict_all()
    assert driver.run("GET", "key") == b"new"


@pytest.mark.parametrize("command", ["FLUSHDB", "FLUSHALL"])
def test_a_flush_forgets_changes_that_were_not_on_disk_yet(driver: Driver, command: str) -> None:
    for number in range(100):
        driver.run("SET", f"key:{number}", "old")
    driver.run(command)
    driver.engine.turn()
    driver.run("SELECT", "1")
    driver.run("SET", "key:1", "other")
    driver.run(command)
    driver.engine.turn()
    driver.run("SET", "key:2", "other")
    driver.evict_all()
    assert driver.run("GET", "key:2") == b"other"
    assert driver.run("GET", "key:1") is None
    assert driver.engine.keyspaces[0].space.keys == 0


def test_an_epoch_cut_before_a_flush_is_saved_whole(driver: Driver) -> None:
    other = driver.new_session()
    driver.run("SELECT", "1", session=other)
    for number in range(1000):
        driver.run("SET", f"key:{number}", "old")
    driver.run("SET", "key", "other", session=other)
    driver.flush()
    for number in range(1000):
        driver.run("SET", f"key:{number}", "new")
    flusher = driver.engine.flusher
    flusher.cut()
    flusher.work(0.0)
    assert flusher.encoding
    driver.run("FLUSHDB")
    # The server goes on until the epoch is on disk, and dies before the next.
    driver.turn_until(lambda: not flusher.is_saving)
    after = Driver(driver.store)
    assert after.run("GET", "key:999") == b"new"
    assert after.engine.keyspaces[0].space.keys == 1000
    after.engine.workers.stop()


def test_a_flush_that_could_not_be_committed_is_repeated() -> None:
    store = FullDisk()
    driver = Driver(store)
    try:
        driver.run("SET", "key", "old")
        driver.flush()
        driver.run("SET", "key", "new")
        driver.run("FLUSHDB")
        store.is_full = True
        with pytest.raises(DscacheError, match="no space"):
            driver.flush()
        driver.engine.turn()
        store.is_full = False
        driver.run("SET", "other", "1")
        driver.evict_all()
        assert driver.run("GET", "key") is None
        assert driver.run("GET", "other") == b"1"
    finally:
        store.is_full = False
        driver.close()


def test_a_watched_key_that_is_made_after_a_flush_has_changed(driver: Driver) -> None:
    other = driver.new_session()
    driver.run("WATCH", "key")
    driver.run("SET", "other", "1", session=other)
    driver.run("FLUSHALL", session=other)
    driver.run("SET", "key", "1", session=other)
    driver.run("MULTI")
    driver.run("PING")
    assert not isinstance(driver.run("EXEC"), list)


def test_a_watched_key_that_appears_by_swapdb_has_changed(driver: Driver) -> None:
    other = driver.new_session()
    driver.run("SELECT", "1", session=other)
    driver.run("SET", "key", "1", session=other)
    driver.run("WATCH", "key")
    driver.run("SWAPDB", "0", "1", session=other)
    driver.run("MULTI")
    driver.run("PING")
    assert not isinstance(driver.run("EXEC"), list)


def test_a_watched_key_that_is_made_after_swapdb_has_changed(driver: Driver) -> None:
    other = driver.new_session()
    driver.run("WATCH", "key")
    driver.run("SWAPDB", "0", "1", session=other)
    driver.run("SET", "key", "1", session=other)
    driver.run("MULTI")
    driver.run("PING")
    assert not isinstance(driver.run("EXEC"), list)


def test_swapdb_does_not_touch_keys_that_are_on_neither_side(driver: Driver) -> None:
    driver.run("WATCH", "key")
    driver.run("SWAPDB", "0", "1", session=driver.new_session())
    driver.run("MULTI")
    driver.run("PING")
    assert isinstance(driver.run("EXEC"), list)


# SWAPDB


def test_swapdb_exchanges_two_databases(driver: Driver, settle: Callable[[], None]) -> None:
    other = driver.new_session()
    driver.run("SELECT", "1", session=other)
    driver.run("SET", "key", "zero")
    driver.run("SET", "key", "one", session=other)
    settle()
    assert driver.run("SWAPDB", "0", "1") == b"OK"
    assert driver.run("GET", "key") == b"one"
    assert driver.run("GET", "key", session=other) == b"zero"
    driver.evict_all()
    assert driver.run("GET", "key") == b"one"


def test_swapdb_of_one_database_with_itself_does_nothing(driver: Driver) -> None:
    driver.run("SET", "key", "1")
    driver.run("WATCH", "key")
    assert driver.run("SWAPDB", "0", "0") == b"OK"
    driver.run("MULTI")
    driver.run("GET", "key")
    assert driver.run("EXEC") == [b"1"]


def test_swapdb_touches_watched_keys(driver: Driver) -> None:
    driver.run("SET", "key", "1")
    driver.run("WATCH", "key")
    driver.run("SWAPDB", "1", "0", session=driver.new_session())
    driver.run("MULTI")
    driver.run("PING")
    assert not isinstance(driver.run("EXEC"), list)


def test_swapdb_refuses_what_is_no_database(driver: Driver) -> None:
    assert driver.run("SWAPDB", "x", "1") == b"-ERR invalid first DB index"
    assert driver.run("SWAPDB", "9999999999", "1") == b"-ERR invalid first DB index"
    assert driver.run("SWAPDB", "1", "x") == b"-ERR invalid second DB index"
    assert driver.run("SWAPDB", "0", "16") == b"-ERR DB index is out of range"
    assert driver.run("SWAPDB", "-1", "1") == b"-ERR DB index is out of range"


# TIME


def test_time_is_seconds_and_microseconds(driver: Driver) -> None:
    driver.advance(0.25)
    assert driver.run("TIME") == [b"1700000000", b"250000"]


# LOLWUT


def test_lolwut_draws_what_is_in_memory(driver: Driver) -> None:
    driver.run("MSET", "a", "1", "b", "2")
    picture = driver.run("LOLWUT")
    assert isinstance(picture, Verbatim)
    assert picture.text.decode().count("▪") == 200
    assert b"\n2 of 2 keys in memory. dscache " in picture.text
    driver.evict_all()
    driver.run("GET", "a")
    picture = driver.run("LOLWUT", "VERSION", "5")
    assert isinstance(picture, Verbatim)
    assert picture.text.decode().count("▪") == 100
    assert driver.run("LOLWUT", "VERSION") == b"-ERR syntax error"
    assert driver.run("LOLWUT", "VERSION", "x") == b"-ERR value is not an integer or out of range"


# SHUTDOWN


class FullDisk(MemoryStore):
    """A store that can be told to take nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.is_full = False

    def commit(self, batch: Batch) -> None:
        if self.is_full:
            raise StoreError("no space left on device")
        super().commit(batch)


@pytest.mark.parametrize(
    ("words", "save"),
    [
        ((), True),
        (("SAVE",), True),
        (("nosave",), False),
        (("NOW", "FORCE"), True),
        (("NOSAVE", "NOW", "FORCE"), False),
    ],
)
def test_shutdown_tells_the_server_and_answers_nothing(
    driver: Driver, words: tuple[str, ...], save: bool
) -> None:
    told: list[bool] = []
    driver.engine.on_shutdown = told.append
    assert driver.run("SHUTDOWN", *words) is NO_REPLY
    assert told == [save]


@pytest.mark.parametrize(
    "words", [("SAVE", "NOSAVE"), ("ABORT", "NOW"), ("ABORT", "SAVE"), ("LATER",)]
)
def test_shutdown_refuses_what_contradicts_itself(driver: Driver, words: tuple[str, ...]) -> None:
    assert driver.run("SHUTDOWN", *words) == b"-ERR syntax error"


def test_there_is_never_a_shutdown_to_abort(driver: Driver) -> None:
    assert driver.run("SHUTDOWN", "ABORT") == b"-ERR No shutdown in progress."


def test_an_engine_alone_cannot_shut_down(driver: Driver) -> None:
    assert driver.run("SHUTDOWN") == b"-ERR Errors trying to SHUTDOWN. Check logs."


def test_shutdown_cannot_be_queued(driver: Driver) -> None:
    driver.run("MULTI")
    assert driver.run("SHUTDOWN") == b"-ERR Command not allowed inside a transaction"


def test_while_the_disk_fails_shutdown_needs_force_or_nosave() -> None:
    store = FullDisk()
    driver = Driver(store)
    try:
        told: list[bool] = []
        driver.engine.on_shutdown = told.append
        driver.run("SET", "key", "value")
        store.is_full = True
        with pytest.raises(DscacheError, match="no space"):
            driver.flush()
        assert driver.run("SHUTDOWN") == b"-ERR Errors trying to SHUTDOWN. Check logs."
        assert told == []
        assert driver.run("SHUTDOWN", "NOSAVE") is NO_REPLY
        assert driver.run("SHUTDOWN", "FORCE") is NO_REPLY
        assert told == [False, True]
    finally:
        store.is_full = False
        driver.close()
