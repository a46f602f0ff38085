"""The engine around epochs: counting, barriers, writers that wait, and a disk in trouble."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from dscache.engine.session import Session
from dscache.errors import DscacheError
from dscache.store.batch import Batch
from manual_workers import CountingStore, ScriptedEngine
from residents import check_memory, check_quiet
from stored import stored_databases


@pytest.fixture
def scripted() -> ScriptedEngine:
    """An engine whose I/O the test runs by hand."""
    return ScriptedEngine()


def fail_one_commit(scripted: ScriptedEngine) -> None:
    """Cut and encode, and let the commit fail."""
    scripted.cut()
    scripted.encode()
    scripted.store.fail_commits = True
    scripted.workers.run_commit()
    scripted.store.fail_commits = False
    scripted.be_quiet()


def suffer_for(scripted: ScriptedEngine, seconds: float) -> None:
    """As if commits had been failing for that long."""
    scripted.engine.flusher.failing_since = time.perf_counter() - seconds
    scripted.engine.flusher.retry_at = time.perf_counter() + 3600
    scripted.engine.tick()


# DBSIZE


def test_dbsize_waits_for_what_was_written_without_looking(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "k", "1")
    scripted.save_and_evict()
    scripted.run("SET", "k", "2")
    replies = scripted.start("DBSIZE")
    assert not replies
    scripted.encode()
    scripted.commit()
    assert replies == [1]


def test_dbsize_waits_for_the_epoch_that_is_being_saved_and_no_longer(
    scripted: ScriptedEngine,
) -> None:
    # Nothing was dirty any more, so no epoch came that would have answered.
    scripted.run("SET", "k", "1")
    scripted.save_and_evict()
    scripted.run("SET", "k", "2")
    scripted.cut()
    replies = scripted.start("DBSIZE")
    scripted.encode()
    scripted.commit()
    assert replies == [1]


def test_dbsize_is_answered_under_a_constant_stream_of_writes(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "k", "1")
    scripted.save_and_evict()
    scripted.run("SET", "k", "2")
    writer = scripted.new_session()
    scripted.cut()
    scripted.start("SET", "a", "1", session=writer)
    replies = scripted.start("DBSIZE")
    steps = 0
    while not replies and steps < 20:
        scripted.start("SET", f"more{steps}", "1", session=writer)
        scripted.encode()
        scripted.start("SET", f"even more{steps}", "1", session=writer)
        scripted.commit()
        steps += 1
    assert steps <= 3
    # As of the cut that settled it.
    assert replies[0] in {2, 4}


def test_dbsize_of_a_database_that_is_flushed_meanwhile_is_that_of_the_new_one(
    scripted: ScriptedEngine,
) -> None:
    scripted.run("SET", "k", "1")
    scripted.save_and_evict()
    scripted.run("SET", "k", "2")
    scripted.run("SET", "j", "2")
    other = scripted.new_session()
    scripted.cut()
    scripted.start("SET", "i", "3", session=other)
    replies = scripted.start("DBSIZE")
    scripted.run("FLUSHDB", session=other)
    scripted.start("SET", "l", "3", session=other)
    scripted.save()
    scripted.be_quiet()
    assert replies == [1]


def test_dbsize_is_an_error_if_it_cannot_be_found_out(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "k", "1")
    replies = scripted.start("DBSIZE")
    scripted.encode()
    scripted.store.fail_reads = True
    scripted.workers.run_commit()
    scripted.store.fail_reads = False
    scripted.be_quiet()
    assert replies == [b"-IOERR reads are made to fail by the test"]
    scripted.engine.flusher.retry_at = 0.0
    assert scripted.run("DBSIZE") == 1


def test_dbsize_is_known_though_the_commit_failed(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "k", "1")
    replies = scripted.start("DBSIZE")
    scripted.encode()
    scripted.store.fail_commits = True
    scripted.workers.run_commit()
    scripted.store.fail_commits = False
    scripted.be_quiet()
    assert replies == [1]


# Barriers


def test_a_barrier_is_passed_when_everything_before_it_is_on_disk(
    scripted: ScriptedEngine,
) -> None:
    scripted.run("SET", "a", "1")
    scripted.cut()
    scripted.run("SET", "b", "1")
    replies = scripted.start("CACHE", "FLUSH")
    scripted.run("SET", "c", "1", session=scripted.new_session())
    scripted.encode()
    scripted.commit()
    assert not replies, "b is not on disk"
    scripted.encode()
    scripted.commit()
    assert replies == [b"OK"]
    assert stored_databases(scripted.store)[0].keys() == {b"a", b"b", b"c"}


def test_a_barrier_with_nothing_to_wait_for_is_passed_at_once(scripted: ScriptedEngine) -> None:
    assert scripted.run("CACHE", "FLUSH") == b"OK"
    scripted.run("SET", "a", "1")
    scripted.save()
    commits = scripted.store.commits
    assert scripted.run("CACHE", "FLUSH") == b"OK"
    assert scripted.store.commits == commits


def test_a_barrier_waits_through_failures(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "a", "1")
    replies = scripted.start("CACHE", "FLUSH")
    fail_one_commit(scripted)
    fail_one_commit(scripted)
    assert not replies
    scripted.save()
    assert replies == [b"OK"]


def test_one_epoch_serves_all_barriers_that_came_before_its_cut(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "a", "1")
    scripted.cut()
    scripted.run("SET", "b", "1")
    replies = [scripted.start("CACHE", "FLUSH", session=scripted.new_session()) for _ in range(10)]
    scripted.save()
    assert replies == [[b"OK"]] * 10
    assert scripted.engine.flusher.last_cut == 2


# Room


def full_of_dirt(store: CountingStore | None = None) -> tuple[ScriptedEngine, Session]:
    """An engine whose memory is full of what is not on disk, all of it encoded that is being saved, and the
    client that filled it and waits."""
    scripted = ScriptedEngine(store, maxmemory="8mb")
    writer = scripted.new_session()
    scripted.run("SET", "there", "v")
    scripted.save()
    for number in range(10_000):
        if scripted.start("SET", f"k{number}", b"v" * 1000, session=writer):
            continue
        scripted.encode()
        if writer.wait is not None:
            return scripted, writer
    raise AssertionError("the memory is never full")


def test_a_writer_waits_when_memory_is_full_of_what_is_not_on_disk() -> None:
    scripted, writer = full_of_dirt()
    assert scripted.engine.room.writers_waiting == 1
    assert writer.wait is not None
    assert writer.wait.reason == "memory"
    residency = scripted.engine.residency
    # Half for what is dirty or saving, a value's length too many at most.
    assert residency.entries_bytes <= residency.limit_bytes


class TalkativeStore(CountingStore):
    """Says how far it is with a commit, and lets the engine look."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], None] = lambda: None

    def commit(self, batch: Batch) -> None:
        """See ``CountingStore``."""
        for applied in range(0, batch.count, 64):
            batch.note_applied(applied)
            self.meanwhile()
        super().commit(batch)


def test_writers_go_on_by_and_by_while_an_epoch_is_being_saved() -> None:
    store = TalkativeStore()
    scripted, _ = full_of_dirt(store=store)
    written: list[int] = []

    def write_until_there_is_no_room() -> None:
        scripted.be_quiet()
        number = 0
        while scripted.engine.room.writers_waiting == 0:
            name = f"{len(written)}:{number}"
            scripted.start("SET", name, b"v" * 1000, session=scripted.new_session())
            number += 1
        written.append(number)

    store.meanwhile = write_until_there_is_no_room
    scripted.workers.run_commit()
    # Some go on again and again, never many at once. (The first time for all that has been looked up before.)
    assert sum(number > 0 for number in written) > 5
    assert max(written[1:]) < sum(written) / 20
    store.meanwhile = lambda: None
    scripted.be_quiet()
    scripted.save()
    check_memory(scripted.engine)


def test_readers_go_on_while_writers_wait() -> None:
    scripted, _ = full_of_dirt()
    assert scripted.run("GET", "there", session=scripted.new_session()) == b"v"
    assert scripted.run("GET", "none", session=scripted.new_session()) is None


def test_deleting_goes_on_while_writers_wait() -> None:
    scripted, _ = full_of_dirt()
    assert scripted.run("DEL", "k1", session=scripted.new_session()) == 1


def test_a_transaction_that_writes_waits_like_any_writer() -> None:
    # EXEC itself is no write.
    scripted, _ = full_of_dirt()
    session = scripted.new_session()
    scripted.start("MULTI", session=session)
    scripted.start("SET", "x", "1", session=session)
    replies = scripted.start("EXEC", session=session)
    assert not replies
    reader = scripted.new_session()
    scripted.start("MULTI", session=reader)
    scripted.start("GET", "there", session=reader)
    assert scripted.start("EXEC", session=reader) == [[b"v"]]
    scripted.save()
    assert replies == [[b"OK"]]


def test_writers_go_on_as_soon_as_the_epoch_is_on_disk() -> None:
    scripted, _ = full_of_dirt()
    scripted.encode()
    scripted.commit()
    assert scripted.engine.room.writers_waiting == 0
    scripted.save()
    check_memory(scripted.engine)


def test_the_bound_holds_whatever_is_written() -> None:
    scripted = ScriptedEngine(maxmemory="8mb")
    residency = scripted.engine.residency
    most = 0
    for number in range(5000):
        scripted.run("SET", f"k{number}", b"v" * 1000)
        most = max(most, residency.used_bytes())
    assert most <= residency.limit_bytes + 2000
    scripted.save()
    assert scripted.engine.keyspaces[0].space.keys == 5000
    for number in range(0, 5000, 501):
        assert scripted.run("GET", f"k{number}") == b"v" * 1000


def test_a_client_that_leaves_while_it_waits_leaves_the_queue() -> None:
    scripted, writer = full_of_dirt()
    for _ in range(100):
        session = scripted.new_session()
        scripted.start("SET", "x", "1", session=session)
        scripted.engine.end_session(session)
    assert scripted.engine.room.writers_waiting == 1
    scripted.engine.end_session(writer)
    assert scripted.engine.room.writers_waiting == 0
    assert all(session.wait is None for session in scripted.engine.sessions.values())


def test_a_command_that_waited_for_room_still_preloads_all_its_keys() -> None:
    scripted, _ = full_of_dirt()
    session = scripted.new_session()
    replies = scripted.start("RENAME", "missing1", "x", session=session)
    scripted.save()
    scripted.load()
    assert replies == [b"-ERR no such key"]
    assert scripted.engine.core.stats.cache_faults == 0


# A disk in trouble


def test_writes_are_refused_when_commits_have_failed_for_too_long(
    scripted: ScriptedEngine,
) -> None:
    scripted.run("SET", "k", "1")
    fail_one_commit(scripted)
    assert scripted.run("SET", "k", "2") == b"OK"
    suffer_for(scripted, 6.0)
    reply = scripted.run("SET", "k", "3")
    assert isinstance(reply, bytes)
    assert reply.startswith(b"-MISCONF The data set cannot be written to disk: commits are made")
    assert scripted.run("GET", "k") == b"2"
    assert isinstance(scripted.run("DEL", "k"), bytes)


def test_writes_are_taken_again_once_a_commit_succeeds(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "k", "1")
    fail_one_commit(scripted)
    suffer_for(scripted, 6.0)
    scripted.save()
    assert scripted.run("SET", "k", "2") == b"OK"


def test_writers_that_wait_for_room_are_refused_too() -> None:
    scripted, writer = full_of_dirt()
    replies: list[object] = []
    writer.deliver = replies.append
    scripted.encode()
    scripted.store.fail_commits = True
    scripted.workers.run_commit()
    scripted.be_quiet()
    assert not replies
    suffer_for(scripted, 6.0)
    assert len(replies) == 1
    assert scripted.engine.room.writers_waiting == 0


def test_who_waits_for_a_disk_that_does_not_get_done_is_refused_and_then_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scripted, writer = full_of_dirt()
    replies: list[object] = []
    writer.deliver = replies.append
    scripted.encode()
    flushed = scripted.start("CACHE", "FLUSH", session=scripted.new_session())
    scripted.engine.tick()
    assert not replies
    assert not flushed
    scripted.engine.flusher.committing_since -= 31.0
    scripted.engine.tick()
    refusal = b"-MISCONF The data set cannot be written to disk: it has not got done with the last"
    assert len(replies) == 1
    assert bytes(str(flushed[0])[2:], "utf-8").startswith(refusal)
    late = scripted.run("SET", "x", "1", session=scripted.new_session())
    assert isinstance(late, bytes)
    assert late.startswith(refusal)
    assert scripted.run("GET", "there", session=scripted.new_session()) == b"v"
    scripted.commit()
    scripted.save()
    assert scripted.run("SET", "x", "1", session=scripted.new_session()) == b"OK"
    scripted.engine.tick()
    assert [record.getMessage()[:46] for record in caplog.records] == [
        "the data set cannot be written to disk: it has",
        "the data set can be written to disk again, aft",
    ]


@pytest.mark.parametrize("words", [("CACHE", "FLUSH"), ("DBSIZE",)])
def test_who_waits_for_a_commit_is_refused_when_they_have_failed_for_too_long(
    scripted: ScriptedEngine, words: tuple[str, ...]
) -> None:
    """On a full disk they waited for ever."""
    scripted.run("SET", "k", "1")
    fail_one_commit(scripted)
    scripted.engine.flusher.retry_at = time.perf_counter() + 3600
    # Whether this key existed is not known before a commit.
    scripted.run("SET", "other", "1")
    replies = scripted.start(*words, session=scripted.new_session())
    scripted.be_quiet()
    assert replies == []
    suffer_for(scripted, 6.0)
    assert len(replies) == 1
    assert str(replies[0]).startswith("b'-MISCONF The data set cannot be written to disk: ")
    late = scripted.start("CACHE", "FLUSH", session=scripted.new_session())
    scripted.engine.tick()
    assert str(late).startswith("[b'-MISCONF ")
    scripted.engine.flusher.retry_at = 0.0
    scripted.save()
    assert scripted.run("DBSIZE") == 2


def test_a_transaction_that_is_refused_is_over(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "k", "1")
    fail_one_commit(scripted)
    suffer_for(scripted, 6.0)
    scripted.start("MULTI")
    scripted.start("SET", "k", "2")
    reply = scripted.run("EXEC")
    assert isinstance(reply, bytes)
    assert reply.startswith(b"-EXECABORT Transaction discarded because of: MISCONF ")
    assert scripted.run("EXEC") == b"-ERR EXEC without MULTI"
    assert scripted.run("GET", "k") == b"1"


def test_commit_now_saves_everything_or_says_why_not(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "a", "1")
    scripted.cut()
    scripted.run("SET", "b", "1")
    scripted.engine.pacer.commit_now()
    assert stored_databases(scripted.store)[0].keys() == {b"a", b"b"}
    check_quiet(scripted.engine)
    scripted.run("SET", "c", "1")
    scripted.store.fail_commits = True
    with pytest.raises(DscacheError, match="made to fail"):
        scripted.engine.pacer.commit_now()
    scripted.store.fail_commits = False
    scripted.engine.pacer.commit_now()
    assert stored_databases(scripted.store)[0].keys() == {b"a", b"b", b"c"}


# Time


def test_an_epoch_is_cut_when_its_oldest_change_is_old_enough(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "k", "1")
    scripted.engine.pacer.flush_delay_seconds = 3600
    scripted.engine.pacer.flush_if_due()
    assert scripted.engine.flusher.saving_count == 0
    seconds = scripted.engine.pacer.next_flush_seconds()
    assert seconds is not None
    assert 3590 < seconds <= 3600
    scripted.engine.pacer.flush_delay_seconds = 0
    assert scripted.engine.pacer.next_flush_seconds() == 0.0
    scripted.engine.pacer.flush_if_due()
    assert scripted.engine.flusher.saving_count == 1
    assert scripted.engine.pacer.next_flush_seconds() is None


def test_a_large_value_alone_forces_no_epoch_and_half_the_memory_does() -> None:
    scripted = ScriptedEngine(maxmemory="64mb")
    quarter = int(scripted.engine.residency.limit_bytes) // 4
    scripted.run("SET", "k0", b"x" * (quarter + 1000))
    assert not scripted.engine.pacer.is_pressed()
    for number in range(1, 9):
        scripted.run("SET", f"k{number}", b"x" * (quarter // 8))
    assert scripted.engine.flusher.is_saving


def test_a_pause_holds_writes_back_and_lets_them_go_when_it_is_over(
    scripted: ScriptedEngine,
) -> None:
    engine = scripted.engine
    engine.core.now_ms = scripted.now_ms
    engine.pause(scripted.now_ms + 1000, True)
    writer = scripted.new_session()
    replies = scripted.start("SET", "k", "1", session=writer)
    assert not replies
    assert scripted.run("GET", "k") is None
    gone = scripted.new_session()
    scripted.start("SET", "k", "2", session=gone)
    engine.end_session(gone)
    scripted.clock.advance(2)
    engine.tick()
    engine.turn()
    assert replies == [b"OK"]
    assert scripted.run("GET", "k") == b"1"
