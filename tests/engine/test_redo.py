"""The redo log and its replay: after a crash the data set is what it was, by the store and the log."""

from __future__ import annotations

import copy
import logging
import os
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from differential.script_sequences import DUMPED
from differential.sequences import CLIENTS, EVICT, FLUSH, GROUPS, Chunk, sequences_of
from disks import BROKEN, FULL, Disk
from driver import Driver
from dscache.cache.wait import FOR_CHANGE
from dscache.clock import ManualClock
from dscache.engine.replay import LOG_DIRECTORY, open_log
from dscache.engine.session import Session
from dscache.errors import LogDamagedError
from dscache.files import Files
from dscache.log.segments import Contents, segment_numbers, segment_path
from dscache.store.memory import MemoryStore
from dscache.wire.request import RequestParser
from manual_workers import ScriptedEngine
from stored import stored_databases

EXAMPLES = 500 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 10


class Logged:
    """An engine with a redo log in ``directory``, over a store in memory. What is noted is in the files
    when ``settle`` returns, and only there and in memory until somebody flushes."""

    def __init__(
        self,
        directory: Path,
        store: MemoryStore | None = None,
        clock: ManualClock | None = None,
        **directives: str,
    ) -> None:
        self.directory = directory
        self.store = MemoryStore() if store is None else store
        self.clock = ManualClock() if clock is None else clock
        self.disk = Disk()
        self.driver = Driver(self.store, self.clock, **directives)
        self.redo = self.driver.engine.redo
        open_log(self.driver.engine, directory, self.disk)
        self.run = self.driver.run

    @property
    def log(self) -> Path:
        return self.directory / LOG_DIRECTORY

    def settle(self) -> None:
        """Wait until the log thread has nothing to do, and no epoch is on its way."""
        redo, engine = self.redo, self.driver.engine
        redo.sync_soon()
        self.driver.turn_until(
            lambda: redo.is_idle and redo.synced == redo.position and not engine.flusher.is_saving
        )

    def crash(self, **directives: str) -> Logged:
        """What a start finds after the process was killed now. It has files of its own: this engine goes
        on with the old ones."""
        self.settle()
        store = MemoryStore()
        store.columns = copy.deepcopy(self.store.columns)
        directory = Path(tempfile.mkdtemp(prefix="again-", dir=self.directory.parent))
        shutil.copytree(self.directory, directory, dirs_exist_ok=True)
        return Logged(directory, store, self.clock, **directives)

    def content(self) -> object:
        """The whole data set."""
        self.driver.flush()
        return stored_databases(self.store)

    def body(self) -> bytes:
        """The log's frames."""
        self.settle()
        return b"".join(frame.body for frame in Contents(self.log, 0).frames())


def _is_done(session: Session) -> bool:
    """Whether it has its reply, or waits for what nobody may do."""
    return session.wait is None or session.wait.reason == FOR_CHANGE


def commands_of(body: bytes) -> list[list[bytes]]:
    """The requests in ``body`` that are no SELECT and no time."""
    parser = RequestParser(1 << 30)
    parser.feed(body)
    found: list[list[bytes]] = []
    while (request := parser.next_request()) is not None:
        if not request[0].startswith((b"#", b"SELECT")):
            found.append(request)
    return found


@pytest.fixture
def logged(tmp_path: Path) -> Logged:
    return Logged(tmp_path)


# What is noted


def test_only_what_changes_something_is_noted(logged: Logged) -> None:
    logged.run("SET", "a", "1")
    for words in ("GET a", "SET a 2 NX", "DEL b", "INCR a x", "LPUSH a x", "EXPIRE b 1", "PING"):
        logged.run(*words.split())
    assert commands_of(logged.body()) == [[b"SET", b"a", b"1"]]
    assert logged.redo.noted == 1


def test_each_frame_says_database_and_time(logged: Logged) -> None:
    logged.run("SET", "a", "1")
    logged.run("SELECT", 3)
    logged.run("SET", "b", "2")
    logged.settle()
    logged.run("SET", "c", "3")
    now = b"#TS:%d\r\n" % int(logged.clock.time() * 1000)
    selected = b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"
    logged.settle()
    first, second = [frame.body for frame in Contents(logged.log, 0).frames()]
    assert first.startswith(now + b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET")
    assert selected + b"*3\r\n$3\r\nSET\r\n$1\r\nb" in first
    assert second == now + selected + b"*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$1\r\n3\r\n"


def test_a_transaction_and_a_script_are_noted_as_what_they_changed(logged: Logged) -> None:
    logged.run("MULTI")
    for words in ("SET a 1", "GET a", "INCR a", "LPUSH a x"):
        logged.run(*words.split())
    logged.run("EXEC")
    script = "redis.call('SET', 'b', ARGV[1]) redis.call('GET', 'b') redis.call('DEL', 'a')"
    logged.run("EVAL", script, 0, "x")
    logged.run("EVAL", "redis.call('SET', 'c', 1)", 0)
    logged.run("EVAL", "return 1", 0)
    assert commands_of(logged.body()) == [
        [b"MULTI"],
        [b"SET", b"a", b"1"],
        [b"INCR", b"a"],
        [b"EXEC"],
        [b"MULTI"],
        [b"SET", b"b", b"x"],
        [b"DEL", b"a"],
        [b"EXEC"],
        [b"MULTI"],
        [b"SET", b"c", b"1"],
        [b"EXEC"],
    ]


def test_chance_is_noted_as_what_it_chose(logged: Logged) -> None:
    logged.run("SADD", "s", *range(100))
    popped = [logged.run("SPOP", "s"), *logged.run("SPOP", "s", 5).items]  # type: ignore[attr-defined]
    logged.run("SPOP", "s", 90)
    removals = [args for args in commands_of(logged.body()) if args[0] == b"SREM"]
    assert [len(removal) for removal in removals] == [3, 7, 92]
    assert [member for removal in removals[:2] for member in removal[2:]] == popped
    assert logged.crash().content() == logged.content()


# Crashes


def test_what_the_store_does_not_have_is_replayed(logged: Logged) -> None:
    logged.run("SET", "a", "1")
    logged.driver.flush()
    logged.run("INCR", "a")
    logged.run("RPUSH", "l", "x", "y")
    again = logged.crash()
    assert again.redo.noted == 0
    assert again.run("GET", "a") == b"2"
    assert again.run("LRANGE", "l", 0, -1) == [b"x", b"y"]
    assert again.content() == logged.content()


def test_what_the_store_has_is_not_replayed(logged: Logged) -> None:
    logged.run("INCR", "a")
    logged.driver.flush()
    again = logged.crash()
    assert again.run("GET", "a") == b"1"
    assert segment_numbers(logged.log) == []


def test_a_crash_after_a_crash_loses_nothing(logged: Logged) -> None:
    for number in range(5):
        logged.run("RPUSH", "l", number)
        logged = logged.crash()
    assert logged.run("LRANGE", "l", 0, -1) == [b"0", b"1", b"2", b"3", b"4"]
    logged.driver.flush()
    logged.settle()
    assert segment_numbers(logged.log) == []
    assert logged.crash().run("LLEN", "l") == 5


def test_commands_are_replayed_at_their_own_time(logged: Logged) -> None:
    logged.run("SET", "due", "old", "PX", 1000)
    logged.run("SET", "later", "1", "EX", 100)
    logged.run("HSET", "h", "f", "1", "g", "2")
    logged.run("HPEXPIRE", "h", 500, "FIELDS", 1, "f")
    first = logged.run("XADD", "x", "*", "f", "v")
    logged.driver.advance(2)
    # The key has expired, so it begins anew.
    logged.run("INCR", "due")
    logged.run("HINCRBY", "h", "f", 1)
    logged.run("XADD", "x", "*", "f", "v")
    logged.driver.advance(200)
    again = logged.crash()
    assert again.run("GET", "due") == b"1"
    assert again.run("GET", "later") is None
    assert again.run("HGET", "h", "f") == b"1"
    assert again.run("XRANGE", "x", "-", "+", "COUNT", 1) == [[first, [b"f", b"v"]]]
    assert logged.run("GET", "later") is None
    assert again.content() == logged.content()


def test_who_waited_for_a_key_is_replayed_in_turn(logged: Logged) -> None:
    waiting = logged.driver.new_session()
    reply = logged.driver.start("BLPOP", "l", 0, session=waiting)
    logged.run("RPUSH", "l", "a", "b")
    assert reply == [[b"l", b"a"]]
    assert logged.crash().run("LRANGE", "l", 0, -1) == [b"b"]


def test_databases_and_functions_come_back(logged: Logged) -> None:
    logged.run("SET", "a", "1")
    logged.run("SWAPDB", 0, 1)
    logged.run("SELECT", 2)
    logged.run("SET", "gone", "1")
    logged.run("FLUSHDB")
    logged.run("SET", "b", "1")
    logged.run("MOVE", "b", 3)
    logged.run(
        "FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 7 end)"
    )
    again = logged.crash()
    assert again.run("FCALL", "f", 0) == 7
    assert again.run("SELECT", 1) == b"OK"
    assert again.run("GET", "a") == b"1"
    assert again.run("SELECT", 2) == b"OK"
    assert again.run("DBSIZE") == 0
    assert again.run("SELECT", 3) == b"OK"
    assert again.run("GET", "b") == b"1"


def test_a_replay_larger_than_memory_cuts_epochs(tmp_path: Path) -> None:
    logged = Logged(tmp_path, maxmemory="256mb")
    for number in range(300):
        logged.run("SET", f"k{number}", b"%d" % number * 20_000)
    again = logged.crash(maxmemory="8mb")
    assert again.driver.engine.flusher.epochs > 0
    assert again.driver.engine.residency.used_bytes() < 8 << 20
    assert again.run("DBSIZE") == 300
    assert again.run("GET", "k7") == b"7" * 20_000
    assert again.content() == logged.content()


def test_without_appendonly_what_is_there_is_replayed_and_removed(logged: Logged) -> None:
    logged.run("SET", "a", "1")
    again = logged.crash(appendonly="no")
    assert segment_numbers(again.log) == []
    again.run("SET", "b", "2")
    assert not again.redo.is_on
    assert again.crash().run("GET", "a") == b"1"
    assert again.crash().run("GET", "b") is None


def test_a_torn_end_is_cut_off_and_told(
    logged: Logged, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("dscache"), "propagate", True)
    logged.run("SET", "a", "1")
    logged.settle()
    logged.run("SET", "b", "1")
    logged.settle()
    path = segment_path(logged.log, 1)
    path.write_bytes(path.read_bytes()[:-1])
    again = logged.crash()
    assert again.run("EXISTS", "a", "b") == 1
    assert "the redo log ends in the middle of a frame" in caplog.text


def test_a_log_that_does_not_fit_the_data_stops_the_start(logged: Logged) -> None:
    logged.run("RPUSH", "a", "1")
    logged.settle()
    other = MemoryStore()
    driver = Driver(other)
    driver.run("SET", "a", "1")
    driver.flush()
    with pytest.raises(
        LogDamagedError, match="frame 1 of the redo log does not fit the data: RPUSH"
    ):
        Logged(logged.directory, other)


@pytest.mark.parametrize("group", sorted(GROUPS.keys() - {"access control"}))
def test_whatever_was_done_comes_back(group: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    @given(sequences_of(group), st.lists(st.sampled_from([0, 0, 0.001, 1, 100]), min_size=12))
    @settings(
        max_examples=EXAMPLES,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    def check(chunks: list[Chunk], seconds: list[float]) -> None:
        logged = Logged(tmp_path_factory.mktemp("redo"))
        sessions = [logged.driver.new_session() for _ in range(CLIENTS)]
        for number, chunk in enumerate(chunks):
            logged.driver.advance(seconds[number % len(seconds)])
            if chunk.disk == FLUSH:
                logged.driver.flush()
            elif chunk.disk == EVICT:
                logged.driver.evict_all()
            for words in chunk.commands:
                session = sessions[chunk.client]
                if session.wait is None and DUMPED not in words:
                    logged.driver.start(*words, session=session)
                    logged.driver.turn_until(partial(_is_done, session))
        again = logged.crash()
        try:
            assert again.content() == logged.content()
        finally:
            again.driver.close()
            logged.driver.close()

    check()


# Pace


def test_with_the_log_commits_rest_nine_times_as_long_as_they_take(logged: Logged) -> None:
    engine = logged.driver.engine
    engine.pacer.flush_delay_seconds = 0
    for took, least, most in [(0.0, 0.0, 0.0), (0.5, 4.0, 4.5), (100.0, 7.5, 8.0)]:
        logged.driver.flush()
        engine.flusher.last_commit_seconds = took
        logged.run("SET", "a", str(took))
        seconds = engine.pacer.next_flush_seconds()
        assert seconds is not None
        assert least <= seconds <= most
        if took:
            engine.pacer.flush_if_due()
            assert engine.flusher.has_dirty


def test_without_the_log_commits_never_rest(tmp_path: Path) -> None:
    logged = Logged(tmp_path, appendonly="no")
    engine = logged.driver.engine
    engine.pacer.flush_delay_seconds = 0
    engine.flusher.last_commit_seconds = 100.0
    engine.flusher.committed_at = time.perf_counter()
    logged.run("SET", "a", "1")
    assert engine.pacer.next_flush_seconds() == 0.0


# Trouble


def test_while_the_log_cannot_be_written_changes_wait_in_memory_and_are_not_lost(
    logged: Logged,
) -> None:
    logged.run("SET", "a", "1")
    logged.disk.fail("append", FULL, BROKEN, FULL)
    logged.redo.sync_soon()
    logged.driver.turn_until(lambda: bool(logged.redo.last_error))
    logged.run("SET", "b", "2")
    assert "No space left" in logged.redo.last_error
    assert b"aof_last_write_status:err" in logged.run("INFO", "persistence").text  # type: ignore[attr-defined]
    while logged.redo.last_error:
        logged.redo._retry_at = 0.0
        logged.redo.tick()
        logged.settle()
    again = logged.crash()
    assert again.run("MGET", "a", "b") == [b"1", b"2"]


def test_writes_are_refused_when_it_lasts_and_taken_again_afterwards(logged: Logged) -> None:
    logged.disk.fail("sync", *[BROKEN] * 1000)
    logged.run("SET", "a", "1")
    logged.redo.sync_soon()
    logged.driver.turn_until(lambda: bool(logged.redo.last_error))
    logged.redo.failing_since -= 10
    logged.driver.engine.tick()
    refusal = logged.run("SET", "a", "2")
    assert isinstance(refusal, bytes)
    assert refusal.startswith(
        b"-MISCONF The data set cannot be written to disk: Input/output error"
    )
    assert logged.run("GET", "a") == b"1"
    logged.disk.failures.clear()
    logged.redo._retry_at = 0.0
    logged.redo.tick()
    logged.driver.turn_until(lambda: not logged.redo.last_error)
    logged.driver.engine.tick()
    assert logged.run("SET", "a", "2") == b"OK"
    assert logged.crash().run("GET", "a") == b"2"


# Safety


def test_waitaof_answers_when_the_change_is_synced(logged: Logged) -> None:
    assert logged.run("WAITAOF", 1, 0, 0) == [1, 0]
    logged.run("SET", "a", "1")
    syncs = logged.disk.syncs
    assert logged.run("WAITAOF", 0, 0, 0) == [0, 0]
    assert logged.run("WAITAOF", 1, 0, 0) == [1, 0]
    assert logged.disk.syncs == syncs + 1
    assert logged.redo.synced == logged.redo.position


def test_waitaof_for_replicas_waits_for_its_time_and_tells_what_is_synced(logged: Logged) -> None:
    logged.run("SET", "a", "1")
    replies = logged.driver.start("WAITAOF", 1, 1, 500)
    logged.settle()
    assert replies == []
    logged.driver.advance(1)
    logged.driver.turn_until(lambda: bool(replies))
    assert replies == [[1, 0]]


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        ("WAITAOF 2 0 0", b"-ERR value is out of range, value must between 0 and 1"),
        ("WAITAOF 1 -1 0", b"-ERR value is out of range, must be positive"),
        ("WAITAOF 1 0 -1", b"-ERR timeout is negative"),
        ("WAITAOF 1 0 x", b"-ERR timeout is not an integer or out of range"),
    ],
)
def test_waitaof_checks_its_arguments(logged: Logged, words: str, reply: bytes) -> None:
    assert logged.run(*words.split()) == reply


def test_waitaof_needs_a_log() -> None:
    driver = Driver()
    assert driver.run("WAITAOF", 1, 0, 0) == (
        b"-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."
    )
    assert driver.run("WAITAOF", 0, 0, 0) == [0, 0]


def test_while_the_log_thread_is_busy_what_is_noted_becomes_one_frame(tmp_path: Path) -> None:
    scripted = ScriptedEngine(appendfsync="always")
    open_log(scripted.engine, tmp_path, Disk())
    redo = scripted.engine.redo
    replies = scripted.start("SET", "k", "0")
    scripted.engine.turn()
    for number in range(1, 10):
        replies += scripted.start("SET", "k", number, session=scripted.new_session())
        scripted.engine.turn()
    assert redo.sequence == 1
    scripted.workers.run_log()
    while redo.sequence == 1:  # it waits for the first client a little
        scripted.engine.turn()
    assert (redo.synced, redo.sequence) == (1, 2)
    scripted.workers.run_log()
    scripted.engine.turn()
    assert (redo.synced, redo.position) == (2, 2)


def test_a_sync_waits_for_the_clients_that_the_last_one_has_answered(tmp_path: Path) -> None:
    scripted = ScriptedEngine(appendfsync="always")
    open_log(scripted.engine, tmp_path, Disk())
    redo = scripted.engine.redo
    sessions = [scripted.new_session() for _ in range(3)]
    for session in sessions:
        scripted.start("SET", "k", "0", session=session)
    scripted.engine.turn()
    scripted.workers.run_log()
    scripted.engine.turn()
    assert (redo.synced, redo.sequence) == (1, 1)
    # As if that sync ended in a thousand seconds, so that its time does not run out in this test.
    redo.group.synced(time.perf_counter() + 1000, 0.001, 3)
    for session in sessions:
        assert redo.sequence == 1
        scripted.start("SET", "k", "1", session=session)
        scripted.engine.turn()
    assert redo.sequence == 2


def test_every_second_it_is_synced(logged: Logged) -> None:
    logged.run("SET", "a", "1")
    logged.driver.turn_until(lambda: logged.redo.written == logged.redo.position)
    assert logged.redo.synced == 0
    logged.redo._last_sync -= 2
    logged.redo.tick()
    logged.driver.turn_until(lambda: logged.redo.synced == logged.redo.written)


def test_what_is_not_synced_is_bounded_and_writers_wait_beyond(tmp_path: Path) -> None:
    logged = Logged(tmp_path, maxmemory="16mb", appendfsync="no")
    for number in range(100):
        logged.run("SET", "k", b"%d" % number * 50_000)
    assert logged.disk.syncs > 0
    assert not logged.redo.is_full
    assert logged.redo.unsynced_bytes < 4 << 20


def test_a_log_in_files_of_the_system_works_as_well(tmp_path: Path) -> None:
    driver = Driver()
    open_log(driver.engine, tmp_path, Files())
    driver.run("SET", "a", "1")
    driver.engine.redo.sync_soon()
    driver.turn_until(lambda: driver.engine.redo.synced == 1)
    assert Contents(tmp_path / LOG_DIRECTORY, 0).last_sequence == 1
    driver.close()
