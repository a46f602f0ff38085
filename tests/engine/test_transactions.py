"""MULTI, EXEC and WATCH: all keys first, then everything at once, or nothing."""

from __future__ import annotations

import pytest

from dscache.engine.session import Session
from manual_workers import ScriptedEngine
from residents import check_quiet
from stored import stored_databases

APART = b"p" * 20_000


@pytest.fixture
def scripted() -> ScriptedEngine:
    """An engine whose I/O the test runs by hand."""
    return ScriptedEngine()


def queue(scripted: ScriptedEngine, *commands: str, session: Session | None = None) -> None:
    """MULTI and the commands; not EXEC."""
    assert scripted.start("MULTI", session=session) == [b"OK"]
    for command in commands:
        assert scripted.start(*command.split(), session=session) == [b"QUEUED"]


def exec_(scripted: ScriptedEngine, *commands: str, session: Session | None = None) -> object:
    """A whole transaction."""
    queue(scripted, *commands, session=session)
    return scripted.run("EXEC", session=session)


# Keys


def test_all_keys_of_a_transaction_are_loaded_before_it_starts(scripted: ScriptedEngine) -> None:
    for number in range(10):
        scripted.run("SET", f"k{number}", number)
    scripted.run("SET", "apart", APART)
    scripted.save_and_evict()
    queue(
        scripted,
        *(f"GET k{number}" for number in range(10)),
        "INCR k0",
        "APPEND apart x",
        "DEL k1 none",
        "RENAME k2 k20",
        "GET k20",
    )
    replies = scripted.start("EXEC")
    scripted.load()
    assert len(replies) == 1
    assert scripted.engine.loader.blocking_loads == 0
    assert replies[0] == [
        *(b"%d" % number for number in range(10)),
        1,
        20_001,
        1,
        b"OK",
        b"2",
    ]
    check_memory_is_released(scripted)


def check_memory_is_released(scripted: ScriptedEngine) -> None:
    """Nothing is pinned once the transaction is over."""
    scripted.save()
    check_quiet(scripted.engine)


def test_keys_of_another_database_are_loaded_too(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "k", "three", session=scripted.new_session(database=3))
    scripted.save_and_evict()
    assert exec_(scripted, "SELECT 3", "GET k", "SELECT 0", "GET k") == [
        b"OK",
        b"three",
        b"OK",
        None,
    ]
    assert scripted.engine.loader.blocking_loads == 0


def test_what_could_not_be_foreseen_is_loaded_blocking_and_counted(
    scripted: ScriptedEngine,
) -> None:
    scripted.run("SET", "k", "one", session=scripted.new_session(database=1))
    scripted.save_and_evict()
    assert exec_(scripted, "SWAPDB 0 1", "GET k") == [b"OK", b"one"]
    assert scripted.engine.loader.blocking_loads == 1


def test_a_key_is_not_evicted_while_the_transaction_waits_for_others(
    scripted: ScriptedEngine,
) -> None:
    scripted.run("SET", "k", "v")
    scripted.run("SET", "j", "w")
    scripted.save_and_evict()
    scripted.run("GET", "k")
    queue(scripted, "GET k", "GET j")
    replies = scripted.start("EXEC")
    scripted.engine.turn()
    scripted.workers.run_load()
    # It was there when EXEC looked, and goes now: it is asked for again.
    scripted.evict_all()
    scripted.be_quiet()
    scripted.load()
    assert replies == [[b"v", b"w"]]
    assert scripted.engine.loader.blocking_loads == 0


def test_a_transaction_whose_keys_cannot_be_read_is_over(scripted: ScriptedEngine) -> None:
    # It answered with an error, and the client was still in MULTI.
    scripted.run("SET", "k", "v")
    scripted.save_and_evict()
    queue(scripted, "SET new 1", "GET k")
    replies = scripted.start("EXEC")
    scripted.engine.turn()
    scripted.store.fail_reads = True
    scripted.workers.run_load()
    scripted.store.fail_reads = False
    scripted.engine.turn()
    (reply,) = replies
    assert isinstance(reply, bytes)
    assert reply.startswith(b"-EXECABORT Transaction discarded because of: IOERR reads are")
    assert scripted.run("GET", "k") == b"v"
    assert scripted.run("EXISTS", "new") == 0


# All or nothing


def test_no_other_command_and_no_cut_comes_between(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "k", "v")
    scripted.save_and_evict()
    other = scripted.new_session()
    # Another client's load is back already, and would run if anybody asked for results.
    waiting = scripted.start("GET", "k", session=other)
    scripted.engine.turn()
    scripted.workers.run_load()
    reply = exec_at_once(scripted, "SET a 1", "DBSIZE", "KEYS *", "SET b 1", "DBSIZE")
    assert not waiting
    assert isinstance(reply, list)
    reply[2].sort()
    assert reply == [b"OK", 2, [b"a", b"k"], b"OK", 3]
    assert scripted.engine.flusher.last_cut == 1
    assert stored_databases(scripted.store)[0].keys() == {b"k"}, "half of it is not on disk"
    scripted.save()
    assert stored_databases(scripted.store)[0].keys() == {b"k", b"a", b"b"}
    assert waiting == [b"v"]


def exec_at_once(scripted: ScriptedEngine, *commands: str) -> object:
    """A transaction that must not be suspended."""
    queue(scripted, *commands)
    (reply,) = scripted.start("EXEC")
    return reply


@pytest.mark.parametrize("state", ["dirty", "saving", "encoded", "settled", "failed"])
def test_keys_are_counted_in_a_transaction_whatever_is_unsettled(
    scripted: ScriptedEngine, state: str
) -> None:
    for number in range(100):
        scripted.run("SET", f"k{number}", number, "PX", 100_000)
    scripted.save_and_evict()
    scripted.run("EXISTS", "k200")
    for number in range(50, 150):
        scripted.start("SET", f"k{number}", number)
    if state != "dirty":
        scripted.cut()
    if state in {"encoded", "settled", "failed"}:
        scripted.encode()
    if state == "failed":
        scripted.store.fail_commits = True
    if state in {"settled", "failed"}:
        scripted.workers.run_commit()
    assert exec_at_once(scripted, "DBSIZE", "SET k0 x", "SET k200 x", "DBSIZE", "DEL k200") == [
        150,
        b"OK",
        b"OK",
        151,
        1,
    ]
    space = scripted.engine.keyspaces[0].space
    assert (space.keys, space.unsettled) == (150, 0)
    scripted.store.fail_commits = False
    scripted.be_quiet()
    scripted.save()
    # This compares with the catalog's counts, too.
    held = stored_databases(scripted.store)[0]
    assert len(held) == 150
    assert sum(due_ms != 0 for _, due_ms in held.values()) == 49
    check_quiet(scripted.engine)


def test_one_failing_command_does_not_stop_the_others(scripted: ScriptedEngine) -> None:
    assert exec_(scripted, "SET a x", "INCR a", "SET b y") == [
        b"OK",
        b"-ERR value is not an integer or out of range",
        b"OK",
    ]


def test_time_stands_still_inside_a_transaction(scripted: ScriptedEngine) -> None:
    reply = exec_(scripted, "SET k v PX 1", "GET k", "PTTL k", "GET k")
    assert reply == [b"OK", b"v", 1, b"v"]


def test_a_transaction_is_one_epochs_or_the_next_ones(scripted: ScriptedEngine) -> None:
    for number in range(20):
        exec_(scripted, f"SET a {number}", f"SET b {number}")
        if number % 3 == 0:
            scripted.cut()
            scripted.be_quiet()
        if scripted.workers.waiting_commits and number % 5 == 4:
            scripted.commit()
            held = stored_databases(scripted.store)[0]
            assert held[b"a"] == held[b"b"]


def test_exec_refuses_what_was_not_queued_well(scripted: ScriptedEngine) -> None:
    for words in (("NOSUCH",), ("GET",), ("GET", "a", "b"), ("CONFIG", "NOSUCH")):
        queue(scripted, "SET k v")
        (reply,) = scripted.start(*words)
        assert isinstance(reply, bytes)
        assert reply.startswith(b"-ERR")
        assert scripted.run("EXEC") == (
            b"-EXECABORT Transaction discarded because of previous errors."
        )
        assert scripted.run("EXISTS", "k") == 0
        assert scripted.run("EXEC") == b"-ERR EXEC without MULTI"


def test_a_client_that_leaves_takes_its_transaction_with_it(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "k", "v")
    scripted.save_and_evict()
    session = scripted.new_session()
    scripted.start("WATCH", "other", session=session)
    scripted.load()
    queue(scripted, "GET k", "SET k w", session=session)
    scripted.start("EXEC", session=session)
    scripted.engine.turn()
    scripted.engine.end_session(session)
    scripted.load()
    assert scripted.run("GET", "k") == b"v"
    assert not scripted.engine.core.watchers
    check_memory_is_released(scripted)


# WATCH


class Watch:
    """A client that watches a key, another one, and how EXEC ends."""

    def __init__(self, scripted: ScriptedEngine, *keys: str, database: int = 0) -> None:
        self.scripted = scripted
        self.session = scripted.new_session(database)
        self.other = scripted.new_session(database)
        assert scripted.run("WATCH", *keys, session=self.session) == b"OK"

    def meanwhile(self, *words: str | int) -> object:
        """What the other client does."""
        return self.scripted.run(*words, session=self.other)

    def is_executed(self) -> bool:
        """Whether EXEC runs."""
        reply = exec_(self.scripted, "SET result done", session=self.session)
        assert not self.scripted.engine.core.watchers
        return reply == [b"OK"]


@pytest.mark.parametrize(
    "words",
    [
        ("SET", "k", "w"),
        ("APPEND", "k", "w"),
        ("DEL", "k"),
        ("PEXPIRE", "k", 1000),
        ("RENAME", "k", "j"),
        ("RENAME", "j", "k"),
        ("MOVE", "k", 5),
        ("GETDEL", "k"),
        ("FLUSHDB",),
        ("FLUSHALL",),
        ("SWAPDB", 0, 4),
    ],
)
@pytest.mark.parametrize("place", ["memory", "disk"])
def test_exec_refuses_when_a_watched_key_was_changed(
    scripted: ScriptedEngine, words: tuple[str | int, ...], place: str
) -> None:
    scripted.run("SET", "k", "v")
    scripted.run("SET", "j", "v")
    watch = Watch(scripted, "k")
    if place == "disk":
        scripted.save_and_evict()
    watch.meanwhile(*words)
    assert not watch.is_executed()


@pytest.mark.parametrize(
    "words",
    [
        ("GET", "k"),
        ("SET", "j", "w"),
        ("DEL", "none"),
        ("PERSIST", "k"),
        ("EXISTS", "k"),
        ("SWAPDB", 3, 4),
        ("SWAPDB", 0, 0),
    ],
)
def test_exec_runs_when_no_watched_key_was_changed(
    scripted: ScriptedEngine, words: tuple[str | int, ...]
) -> None:
    scripted.run("SET", "k", "v")
    watch = Watch(scripted, "k")
    watch.meanwhile(*words)
    assert watch.is_executed()


def test_saving_evicting_and_loading_again_is_no_change(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "k", "v", "PX", 100_000)
    watch = Watch(scripted, "k")
    scripted.save_and_evict()
    assert watch.meanwhile("GET", "k") == b"v"
    scripted.evict_all()
    assert watch.is_executed()


def test_a_client_that_changes_what_it_watches_itself_is_refused_too(
    scripted: ScriptedEngine,
) -> None:
    scripted.run("SET", "k", "v")
    watch = Watch(scripted, "k")
    scripted.run("SET", "k", "w", session=watch.session)
    assert not watch.is_executed()


@pytest.mark.parametrize("is_looked_at", [False, True])
def test_a_watched_key_that_expires_has_changed(
    scripted: ScriptedEngine, is_looked_at: bool
) -> None:
    scripted.run("SET", "k", "v", "PX", 1000)
    watch = Watch(scripted, "k")
    scripted.save_and_evict()
    scripted.clock.advance(2)
    if is_looked_at:
        assert watch.meanwhile("GET", "k") is None
    assert not watch.is_executed()


def test_a_key_that_had_expired_when_it_was_watched_does_not_change_by_going(
    scripted: ScriptedEngine,
) -> None:
    scripted.run("SET", "k", "v", "PX", 1000)
    scripted.save_and_evict()
    scripted.clock.advance(2)
    watch = Watch(scripted, "k")
    scripted.expire_actively()
    assert watch.meanwhile("GET", "k") is None
    assert watch.is_executed()


def test_a_key_that_did_not_exist_is_watched_in_the_flushed_database_too(
    scripted: ScriptedEngine,
) -> None:
    # Watchers were kept by the space that the key was in, and lost with it.
    scripted.run("SET", "j", "v")
    watch = Watch(scripted, "k")
    watch.meanwhile("FLUSHDB")
    watch.meanwhile("SET", "k", "v")
    assert not watch.is_executed()
    scripted.run("SET", "j", "v")
    watch = Watch(scripted, "none")
    watch.meanwhile("FLUSHDB")
    watch.meanwhile("SET", "other", "v")
    assert watch.is_executed()


@pytest.mark.parametrize("place", ["memory", "disk"])
def test_a_key_that_comes_with_a_swapped_database_has_changed(
    scripted: ScriptedEngine, place: str
) -> None:
    scripted.run("SET", "k", "v", session=scripted.new_session(database=4))
    watch = Watch(scripted, "k")
    absent = Watch(scripted, "none")
    if place == "disk":
        scripted.save_and_evict()
    watch.meanwhile("SWAPDB", 0, 4)
    reply = exec_(scripted, "SET result done", session=watch.session)
    assert reply != [b"OK"]
    assert absent.is_executed()


def test_a_key_is_watched_where_it_is_after_a_swap(scripted: ScriptedEngine) -> None:
    watch = Watch(scripted, "k")
    watch.meanwhile("SWAPDB", 0, 4)
    watch.meanwhile("SET", "k", "v")
    assert not watch.is_executed()
    watch = Watch(scripted, "none")
    watch.meanwhile("SWAPDB", 0, 4)
    scripted.run("SET", "none", "v", session=scripted.new_session(database=4))
    assert watch.is_executed(), "that is another database now"


def test_unwatch_and_discard_forget(scripted: ScriptedEngine) -> None:
    for way in ("UNWATCH", "DISCARD"):
        scripted.run("SET", "k", "v")
        watch = Watch(scripted, "k", "k", "j")
        watch.meanwhile("SET", "k", "w")
        if way == "DISCARD":
            scripted.start("MULTI", session=watch.session)
        assert scripted.run(way, session=watch.session) == b"OK"
        assert not scripted.engine.core.watchers
        assert watch.is_executed()


def test_many_clients_watch_one_key(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "k", "v")
    watches = [Watch(scripted, "k") for _ in range(5)]
    scripted.engine.end_session(watches[0].session)
    scripted.run("SET", "k", "w")
    for watch in watches[1:]:
        assert exec_(scripted, "SET result done", session=watch.session) != [b"OK"]
    assert not scripted.engine.core.watchers
