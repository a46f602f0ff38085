"""Blocking: who waits for a key, who is served, in which order, and who is let go."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from dscache.cache.wait import FOR_CHANGE, FOR_KEYS, FOR_PAUSE
from dscache.engine.session import Session
from dscache.wire.reply import NULL_ARRAY, Verbatim
from manual_workers import ScriptedEngine, encoded, plain
from residents import check_memory

UNBLOCKED = b"-UNBLOCKED client unblocked via CLIENT UNBLOCK"
WRONG_TYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value"
APART = "p" * 20_000


class Waiter:
    """A client that has sent some requests at once, and gathers its replies."""

    def __init__(self, place: Place, session: Session, requests: list[list[bytes]]) -> None:
        self.session = session
        self.replies: list[object] = []
        self._place = place
        self._requests = requests
        session.deliver = self._deliver
        self._go_on()

    def _deliver(self, reply: object) -> None:
        self.replies.append(plain(reply))
        self._go_on()

    def _go_on(self) -> None:
        while self._requests:
            replies = len(self.replies)
            reply = self._place.engine.execute(self.session, self._requests.pop(0))
            if self.session.wait is not None:
                assert len(self.replies) == replies
                return
            self.replies.append(plain(reply))

    @property
    def reason(self) -> str:
        """What it waits for; nothing if it does not wait."""
        wait = self.session.wait
        return "" if wait is None else wait.reason


class Place(ScriptedEngine):
    """An engine with clients that block."""

    def block(self, *words: str | bytes | int, database: int = 0) -> Waiter:
        """A new client runs a command, until it waits for a change or has its reply."""
        waiter = self.send([*words], database=database)
        self.bring_loads()
        return waiter

    def run(self, *words: str | bytes | int, session: Session | None = None) -> object:
        """The reply of a command; whoever it serves has what he needs from the disk, too."""
        reply = super().run(*words, session=session)
        self.bring_loads()
        return reply

    def send(self, *requests: list[str | bytes | int], database: int = 0) -> Waiter:
        """A new client sends some requests."""
        return Waiter(self, self.new_session(database), [encoded(words) for words in requests])

    def bring_loads(self) -> None:
        """Run all loads that are wanted, and what they make possible."""
        self.be_quiet()
        while self.workers.waiting_loads:
            self.workers.run_load()
            self.be_quiet()

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and let the engine notice it."""
        self.clock.advance(seconds)
        self.engine.turn()

    def transaction(self, *commands: str) -> object:
        """MULTI, the commands and EXEC."""
        self.run("MULTI")
        for command in commands:
            self.run(*command.split())
        return self.run("EXEC")

    def leave(self, waiter: Waiter) -> None:
        """The client hangs up."""
        self.engine.end_session(waiter.session)


@pytest.fixture
def place() -> Iterator[Place]:
    """An engine that is left with nobody waiting and no queue behind."""
    place = Place()
    yield place
    for session in list(place.engine.sessions.values()):
        place.engine.end_session(session)
    place.engine.turn()
    blocking = place.engine.blocking
    assert (blocking.clients, blocking.keys, blocking.any) == (0, 0, False)
    assert place.engine.unexpected_errors == 0
    place.bring_loads()
    check_memory(place.engine)


# In which order


def test_who_blocked_first_is_served_first(place: Place) -> None:
    waiters = [place.block("BLPOP", "k", 0) for _ in range(3)]
    assert place.run("RPUSH", "k", "a") == 1
    assert [waiter.replies for waiter in waiters] == [[[b"k", b"a"]], [], []]
    assert place.run("RPUSH", "k", "b", "c", "d") == 3
    assert [waiter.replies for waiter in waiters[1:]] == [[[b"k", b"b"]], [[b"k", b"c"]]]
    assert place.run("LRANGE", "k", 0, -1) == [b"d"]


def test_each_takes_from_the_end_that_it_wants(place: Place) -> None:
    first = place.block("BRPOP", "k", 0)
    second = place.block("BLMPOP", 0, 1, "k", "LEFT", "COUNT", 2)
    third = place.block("BLMOVE", "k", "other", "RIGHT", "LEFT", 0)
    assert place.run("RPUSH", "k", 1, 2, 3, 4, 5) == 5
    assert first.replies == [[b"k", b"5"]]
    assert second.replies == [[b"k", [b"1", b"2"]]]
    assert third.replies == [b"4"]
    assert place.run("LRANGE", "k", 0, -1) == [b"3"]


def test_of_several_keys_the_one_that_changes_serves(place: Place) -> None:
    waiter = place.block("BLPOP", "a", "b", "c", 0)
    other = place.block("BLPOP", "c", "b", 0)
    place.run("RPUSH", "b", 1)
    assert waiter.replies == [[b"b", b"1"]]
    place.run("RPUSH", "a", 2)
    assert place.run("LLEN", "a") == 1
    place.run("RPUSH", "c", 3)
    assert other.replies == [[b"c", b"3"]]
    assert place.engine.blocking.keys == 0


def test_a_transaction_serves_when_it_is_over_and_keys_as_they_are_named(place: Place) -> None:
    waiter = place.block("BLPOP", "a", "b", 0)
    other = place.block("BLPOP", "b", 0)
    assert place.transaction("RPUSH b 1", "RPUSH a 2", "LLEN b") == [1, 1, 1]
    assert waiter.replies == [[b"a", b"2"]]
    assert other.replies == [[b"b", b"1"]]


def test_what_a_transaction_takes_back_was_never_there(place: Place) -> None:
    waiter = place.block("BLPOP", "k", 0)
    assert place.transaction("RPUSH k 1", "DEL k") == [1, 1]
    assert place.transaction("RPUSH k 1", "SET k string") == [1, b"OK"]
    assert waiter.replies == []
    assert place.transaction("DEL k", "RPUSH k a", "LPUSH k b") == [1, 1, 2]
    assert waiter.replies == [[b"k", b"b"]]


def test_a_key_that_is_named_twice_is_waited_for_once(place: Place) -> None:
    waiter = place.block("BLPOP", "k", "other", "other", "k", 0)
    assert place.engine.blocking.keys == 2
    place.run("RPUSH", "k", 1, 2)
    assert waiter.replies == [[b"k", b"1"]]
    assert place.run("LRANGE", "k", 0, -1) == [b"2"]


def test_a_list_that_is_there_is_not_waited_for(place: Place) -> None:
    place.run("RPUSH", "b", 1)
    assert place.block("BLPOP", "a", "b", 0).replies == [[b"b", b"1"]]


# How keys become ready


@pytest.mark.parametrize(
    "command",
    [
        "LPUSH k 1",
        "RENAME from k",
        "RENAMENX from k",
        "COPY from k",
        "COPY from k REPLACE",
        "LMOVE from k LEFT RIGHT",
        "RPOPLPUSH from k",
        "SORT from STORE k",
        "BLMOVE from k LEFT RIGHT 0",
    ],
)
@pytest.mark.parametrize("on_disk", [False, True])
def test_whatever_makes_a_list_serves(place: Place, command: str, on_disk: bool) -> None:
    place.run("RPUSH", "from", 1)
    waiter = place.block("BLPOP", "k", 0)
    if on_disk:
        place.save_and_evict()
    place.run(*command.split())
    place.bring_loads()
    assert waiter.replies == [[b"k", b"1"]]
    assert place.run("EXISTS", "k") == 0


@pytest.mark.parametrize("command", ["MOVE k 1", "COPY k k DB 1"])
def test_a_client_waits_in_its_database(place: Place, command: str) -> None:
    there = place.block("BLPOP", "k", 0, database=1)
    place.run("RPUSH", "k", 1)
    assert there.replies == []
    here = place.block("BLPOP", "none", 0)
    place.run(*command.split())
    assert there.replies == [[b"k", b"1"]]
    assert here.replies == []


@pytest.mark.parametrize("on_disk", [False, True])
def test_after_swapdb_a_client_waits_for_what_is_under_the_number_then(
    place: Place, on_disk: bool
) -> None:
    there = place.new_session(3)
    place.run("RPUSH", "k", "from 3", session=there)
    first = place.block("BLPOP", "k", 0)
    second = place.block("BLPOP", "k", 0)
    in_three = place.block("BLPOP", "other", 0, database=3)
    if on_disk:
        place.save_and_evict()
    place.run("SWAPDB", 0, 3)
    place.bring_loads()
    assert first.replies == [[b"k", b"from 3"]]
    assert second.replies == in_three.replies == []
    place.run("RPUSH", "other", 1)
    assert in_three.replies == []
    place.run("SWAPDB", 3, 0)
    place.bring_loads()
    assert in_three.replies == [[b"other", b"1"]]


def test_moves_feed_each_other(place: Place) -> None:
    last = place.block("BLPOP", "c", 0)
    second = place.block("BLMOVE", "b", "c", "LEFT", "RIGHT", 0)
    first = place.block("BRPOPLPUSH", "a", "b", 0)
    assert place.run("RPUSH", "a", "x") == 1
    assert first.replies == second.replies == [b"x"]
    assert last.replies == [[b"c", b"x"]]
    assert place.run("EXISTS", "a", "b", "c") == 0


def test_moves_in_a_circle_end(place: Place) -> None:
    there = place.block("BLMOVE", "a", "b", "LEFT", "RIGHT", 0)
    back = place.block("BLMOVE", "b", "a", "LEFT", "RIGHT", 0)
    same = place.block("BLMOVE", "a", "a", "LEFT", "RIGHT", 0)
    place.run("RPUSH", "a", "x")
    assert there.replies == back.replies == same.replies == [b"x"]
    assert place.run("LRANGE", "a", 0, -1) == [b"x"]


def test_a_move_to_what_is_no_list_fails_and_the_next_is_served(place: Place) -> None:
    place.run("SET", "string", 1)
    waiter = place.block("BLMOVE", "k", "string", "LEFT", "LEFT", 0)
    other = place.block("BLPOP", "k", 0)
    place.run("RPUSH", "k", "x")
    assert waiter.replies == [WRONG_TYPE]
    assert other.replies == [[b"k", b"x"]]


def test_a_key_of_another_type_is_not_what_it_waits_for(place: Place) -> None:
    waiter = place.block("BLPOP", "k", 0)
    for command in ("SET k 1", "SADD s 1", "RENAME s k", "DEL k", "SET k 1"):
        place.run(*command.split())
        assert waiter.replies == []
    assert place.block("BLPOP", "k", 0).replies == [WRONG_TYPE]
    place.run("DEL", "k")
    place.run("RPUSH", "k", 1)
    assert waiter.replies == [[b"k", b"1"]]


@pytest.mark.parametrize("string", ["short", APART])
def test_a_key_that_proves_to_be_of_another_type_is_not_either(place: Place, string: str) -> None:
    there = place.new_session(1)
    place.run("SET", "k", string, session=there)
    waiter = place.block("BLPOP", "k", 0)
    other = place.block("BLPOP", "k", "k2", 0)
    place.run("RPUSH", "k2", 1, session=there)
    place.save_and_evict()
    place.run("SWAPDB", 0, 1)
    place.bring_loads()
    assert waiter.replies == []
    assert waiter.reason == FOR_CHANGE
    # As in Redis: its command meets the string first.
    assert other.replies == [WRONG_TYPE]
    place.run("DEL", "k")
    place.run("RPUSH", "k", 1)
    assert waiter.replies == [[b"k", b"1"]]


# Keys on disk


def test_a_list_on_disk_is_no_reason_to_wait(place: Place) -> None:
    place.run("RPUSH", "k", 1, APART)
    place.save_and_evict()
    assert place.block("BLPOP", "none", "k", 0).replies == [[b"k", b"1"]]
    place.save_and_evict()
    assert place.block("BLMPOP", 0, 2, "none", "k", "LEFT").replies == [[b"k", [APART.encode()]]]
    assert place.engine.loader.blocking_loads == 0


def test_only_the_list_that_is_popped_is_read_whole(place: Place) -> None:
    for key in ("a", "b"):
        place.run("RPUSH", key, key, APART)
    place.save_and_evict()
    assert place.block("BLPOP", "none", "a", "b", 0).replies == [[b"a", b"a"]]
    keyspace = place.session.keyspace
    assert keyspace.is_resident(b"a")
    assert not keyspace.is_resident(b"b")


def test_who_waits_for_the_disk_keeps_his_turn(place: Place) -> None:
    place.run("RPUSH", "target", APART)
    first = place.block("BLMOVE", "k", "target", "LEFT", "LEFT", 0)
    second = place.block("BLPOP", "k", "other", 0)
    place.save_and_evict()
    place.run("EXISTS", "other")
    pushed = place.start("RPUSH", "k", "x", "y", "z")
    place.engine.turn()
    place.workers.run_load()
    place.engine.turn()
    # The list is there; the first in the queue needs its target from the disk.
    assert pushed == [3]
    assert first.reason == FOR_KEYS
    third = place.send(["BLPOP", "k", 0])
    fourth = place.send(["BLMPOP", 0, 1, "k", "LEFT"])
    assert place.start("RPUSH", "other", 1) == [1]
    assert second.replies == [[b"other", b"1"]]
    assert third.replies == fourth.replies == []
    place.bring_loads()
    assert first.replies == [b"x"]
    assert third.replies == [[b"k", b"y"]]
    assert fourth.replies == [[b"k", [b"z"]]]


def test_who_hangs_up_at_the_disk_leaves_his_turn_to_the_next(place: Place) -> None:
    place.run("RPUSH", "target", APART)
    first = place.block("BLMOVE", "k", "target", "LEFT", "LEFT", 0)
    second = place.block("BLPOP", "k", 0)
    place.save_and_evict()
    place.start("RPUSH", "k", "x")
    place.engine.turn()
    place.workers.run_load()
    place.engine.turn()
    assert first.reason == FOR_KEYS
    assert second.replies == []
    place.leave(first)
    place.engine.turn()
    assert second.replies == [[b"k", b"x"]]
    place.bring_loads()
    assert first.replies == []


def test_what_is_taken_while_the_first_is_at_the_disk_is_gone(place: Place) -> None:
    """Who does not block asks for what is there now, and gets it."""
    place.run("RPUSH", "target", APART)
    first = place.block("BLMOVE", "k", "target", "LEFT", "LEFT", 10)
    second = place.block("BLPOP", "k", 0)
    place.save_and_evict()
    place.start("RPUSH", "k", "x")
    place.engine.turn()
    place.workers.run_load()
    place.engine.turn()
    assert place.start("LPOP", "k") == [b"x"]
    # Its time passes while it is about to run: it may run, and is answered then.
    place.pass_time(11)
    assert first.replies == []
    place.bring_loads()
    place.engine.turn()
    assert first.replies == [NULL_ARRAY]
    place.run("RPUSH", "k", "y")
    assert second.replies == [[b"k", b"y"]]


def test_a_failing_disk_ends_the_waiting(place: Place) -> None:
    place.run("RPUSH", "target", APART)
    first = place.block("BLMOVE", "k", "target", "LEFT", "LEFT", 0)
    second = place.block("BLPOP", "k", 0)
    place.run("RPUSH", "k2", 1)
    place.save_and_evict()
    place.run("GET", "k")
    place.store.fail_reads = True
    place.run("RPUSH", "k", "x")
    place.bring_loads()
    place.store.fail_reads = False
    assert first.replies == [b"-IOERR reads are made to fail by the test"]
    assert second.replies == [[b"k", b"x"]]


def test_a_flushed_database_is_not_searched_for_what_clients_wait_for(place: Place) -> None:
    waiter = place.block("BLPOP", "k", 0)
    place.run("SET", "other", 1)
    place.save_and_evict()
    read = place.store.keys_read.copy()
    place.run("FLUSHALL")
    place.bring_loads()
    assert place.store.keys_read == read
    place.run("RPUSH", "k", 1)
    assert waiter.replies == [[b"k", b"1"]]


# Letting go


def test_a_client_that_leaves_takes_nothing(place: Place) -> None:
    gone = place.block("BLPOP", "k", "other", 5)
    next_one = place.block("BLPOP", "k", 0)
    place.leave(gone)
    assert place.engine.blocking.clients == 1
    place.run("RPUSH", "k", 1)
    assert gone.replies == []
    assert next_one.replies == [[b"k", b"1"]]
    place.pass_time(10)


def test_time_is_over_to_the_millisecond(place: Place) -> None:
    late = place.block("BLPOP", "k", "2.5")
    early = place.block("BRPOP", "k", "0.001")
    moving = place.block("BLMOVE", "k", "k2", "LEFT", "LEFT", "1.25")
    forever = place.block("BLMPOP", 0, 1, "k", "LEFT")
    assert place.engine.blocking.next_deadline() == pytest.approx(place.clock.time() + 0.001)
    place.pass_time(0.0005)
    assert early.replies == []
    place.pass_time(0.001)
    assert early.replies == [NULL_ARRAY]
    place.pass_time(1.24)
    assert moving.replies == []
    place.pass_time(0.01)
    # A null array here too, as in Redis.
    assert moving.replies == [NULL_ARRAY]
    place.pass_time(1.2)
    assert late.replies == []
    place.pass_time(0.1)
    assert late.replies == [NULL_ARRAY]
    place.pass_time(10**9)
    assert forever.replies == []
    assert place.engine.blocking.next_deadline() is None


def test_a_turn_is_asked_for_when_the_first_time_is_over(place: Place) -> None:
    asked: list[float] = []
    place.engine.want_turn_at = asked.append
    now = place.clock.time()
    place.block("BLPOP", "a", 3)
    place.block("BLPOP", "b", 2)
    assert asked[:1] == [now + 3]
    assert min(asked) == now + 2
    place.clock.advance(2)
    asked.clear()
    place.engine.turn()
    assert asked == [now + 3]


def test_a_list_that_comes_with_the_last_second_is_served(place: Place) -> None:
    waiter = place.block("BLPOP", "k", 1)
    place.clock.advance(2)
    place.run("RPUSH", "k", 1)
    assert waiter.replies == [[b"k", b"1"]]
    place.pass_time(5)
    assert len(waiter.replies) == 1


def test_deadlines_that_are_out_of_date_do_not_pile_up(place: Place) -> None:
    for _ in range(1000):
        place.block("BLPOP", "k", 1000)
        place.run("RPUSH", "k", 1)
    assert len(place.engine.blocking._deadlines) < 200


@pytest.mark.parametrize(
    ("words", "reply"),
    [([], NULL_ARRAY), (["TIMEOUT"], NULL_ARRAY), (["error"], UNBLOCKED)],
)
def test_client_unblock_ends_the_waiting(place: Place, words: list[str], reply: object) -> None:
    waiter = place.block("BLPOP", "k", 1)
    number = waiter.session.number
    assert place.run("CLIENT", "UNBLOCK", number, *words) == 1
    assert place.run("CLIENT", "UNBLOCK", number, *words) == 0
    place.run("RPUSH", "k", 1)
    assert place.run("LLEN", "k") == 1
    place.engine.turn()
    assert waiter.replies == [reply]


def test_client_unblock_inside_a_transaction_lets_the_requests_behind_run_afterwards(
    place: Place,
) -> None:
    waiter = place.send(["BLPOP", "k", 0], ["GET", "n"])
    place.bring_loads()
    number = waiter.session.number
    assert place.transaction("SET n 1", f"CLIENT UNBLOCK {number}", "SET n 2") == [b"OK", 1, b"OK"]
    place.engine.turn()
    assert waiter.replies == [NULL_ARRAY, b"2"]


def test_client_unblock_leaves_alone_who_is_not_blocked(place: Place) -> None:
    assert place.run("CLIENT", "UNBLOCK", place.session.number) == 0
    assert place.run("CLIENT", "UNBLOCK", 10**6) == 0
    place.run("SET", "k", 1)
    place.save_and_evict()
    reading = place.send(["GET", "k"])
    assert place.run("CLIENT", "UNBLOCK", reading.session.number) == 0
    place.bring_loads()
    assert reading.replies == [b"1"]
    number = place.session.number
    assert place.run("CLIENT", "UNBLOCK", "x") == b"-ERR value is not an integer or out of range"
    assert place.run("CLIENT", "UNBLOCK", number, "x") == (
        b"-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"
    )
    assert place.run("CLIENT", "UNBLOCK", number, "ERROR", "x") == (
        b"-ERR unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP."
    )


def test_client_unblock_reaches_who_is_at_the_disk(place: Place) -> None:
    place.run("RPUSH", "target", APART)
    first = place.block("BLMOVE", "k", "target", "LEFT", "LEFT", 0)
    place.save_and_evict()
    place.start("RPUSH", "k", "x")
    place.engine.turn()
    place.workers.run_load()
    place.engine.turn()
    assert first.reason == FOR_KEYS
    assert place.start("CLIENT", "UNBLOCK", first.session.number, "ERROR") == [1]
    place.bring_loads()
    assert first.replies == [UNBLOCKED]
    assert place.run("LLEN", "k") == 1


def test_who_is_unblocked_and_leaves_at_once_gets_nothing(place: Place) -> None:
    waiter = place.block("BLPOP", "k", 0)
    place.start("CLIENT", "UNBLOCK", waiter.session.number)
    place.leave(waiter)
    place.engine.turn()
    assert waiter.replies == []


# Pauses


def test_a_paused_server_serves_nobody(place: Place) -> None:
    first = place.block("BLPOP", "k", 0)
    second = place.block("BLPOP", "k", 0)
    brief = place.block("BLPOP", "none", 1)
    place.transaction("RPUSH k 1", "CLIENT PAUSE 5000")
    assert first.reason == FOR_PAUSE
    assert second.reason == FOR_CHANGE
    assert place.engine.room.paused_clients == 0
    place.pass_time(2)
    assert brief.replies == [NULL_ARRAY]
    assert first.replies == []
    place.run("CLIENT", "UNPAUSE")
    place.engine.turn()
    assert first.replies == [[b"k", b"1"]]
    assert second.replies == []
    place.run("RPUSH", "k", 2)
    assert second.replies == [[b"k", b"2"]]


def test_whose_time_ends_in_a_pause_is_answered_after_it(place: Place) -> None:
    waiter = place.block("BLPOP", "k", 1)
    asked: list[float] = []
    place.engine.want_turn_at = asked.append
    place.transaction("RPUSH k 1", "PEXPIRE k 1500", "CLIENT PAUSE 5000")
    assert waiter.reason == FOR_PAUSE
    asked.clear()
    place.pass_time(2)
    # Nothing is to be done about it meanwhile: the owner's timer must not spin.
    assert asked == []
    place.run("CLIENT", "UNPAUSE")
    place.engine.turn()
    assert waiter.replies == [NULL_ARRAY]


# Where nothing can wait


def test_in_a_transaction_there_is_no_waiting(place: Place) -> None:
    commands = ("BLPOP k 0", "BRPOP k 0", "BLMPOP 0 1 k LEFT", "BLMOVE k k LEFT LEFT 0", "WAIT 1 0")
    assert place.transaction(*commands) == [NULL_ARRAY, NULL_ARRAY, NULL_ARRAY, None, 0]
    assert place.transaction("RPUSH k 1", "BLPOP k 0") == [1, [b"k", b"1"]]


# Pipelines


def test_requests_behind_a_blocked_one_wait_with_it(place: Place) -> None:
    waiter = place.send(["BLPOP", "k", 0], ["INCR", "n"], ["BLPOP", "k", 0], ["INCR", "n"])
    place.bring_loads()
    place.run("RPUSH", "k", 1)
    assert waiter.replies == [[b"k", b"1"], 1]
    place.run("RPUSH", "k", 2)
    assert waiter.replies == [[b"k", b"1"], 1, [b"k", b"2"], 2]


def test_a_long_chain_of_clients_is_no_deep_recursion(place: Place) -> None:
    """Each reply lets a request run that serves the next client."""
    length = 3000
    waiters = [
        place.send(["BLPOP", n, 0], ["RPUSH", n + 1, "x"], ["BLPOP", "end", "0.5"])
        for n in range(length)
    ]
    place.bring_loads()
    place.run("RPUSH", 0, "x")
    assert all(waiter.replies == [[b"%d" % n, b"x"], 1] for n, waiter in enumerate(waiters))
    for n, waiter in enumerate(waiters):
        waiter._requests.extend([encoded(["BLPOP", n, 0]), encoded(["RPUSH", n + 1, "x"])])
    place.pass_time(1)
    place.run("RPUSH", 0, "y")
    place.bring_loads()
    assert waiters[-1].replies[-1] == 1 + 1


# What is shown


def test_blocked_clients_are_shown_and_counted(place: Place) -> None:
    waiter = place.block("BLPOP", "a", "b", 0)
    place.block("BLMOVE", "b", "c", "LEFT", "LEFT", 0)
    place.block("WAIT", 1, 0)
    lines = place.run("CLIENT", "LIST", "ID", waiter.session.number)
    assert isinstance(lines, Verbatim)
    assert b" flags=b " in lines.text
    assert b" wait=blocked:" in lines.text
    assert figures(place, "blocked_clients", "total_blocking_keys") == [3, 2]
    assert figures(place, "total_blocking_keys_on_nokey") == [0]
    place.run("RPUSH", "b", 1)
    assert figures(place, "blocked_clients", "total_blocking_keys") == [2, 1]


def figures(place: Place, *names: str) -> list[int]:
    """Figures of INFO clients."""
    info = place.run("INFO", "clients")
    assert isinstance(info, Verbatim)
    found = dict(line.split(":", 1) for line in info.text.decode().splitlines() if ":" in line)
    return [int(found[name]) for name in names]


def test_a_blocked_command_counts_once_however_it_ends(place: Place) -> None:
    command = place.engine.table.get(b"blpop")
    assert command is not None
    command.reset_statistics()
    place.block("BLPOP", "k", 0)
    place.block("BLPOP", "k", "none", 0)
    place.run("SET", "k", 1)
    place.run("DEL", "k")
    place.run("RPUSH", "k", 1, 2)
    assert (command.calls, command.failed_calls) == (2, 0)
    place.block("BLPOP", "k", 1)
    place.pass_time(2)
    assert (command.calls, command.failed_calls) == (3, 0)
    waiter = place.block("BLPOP", "k", 1)
    place.run("CLIENT", "UNBLOCK", waiter.session.number, "ERROR")
    place.engine.turn()
    assert (command.calls, command.failed_calls) == (4, 1)
    waiter = place.block("BLPOP", "k", 1)
    place.leave(waiter)
    assert command.calls == 4


# Anything, in any order


class Model:
    """What Redis would do: lists in memory, and who waits for them."""

    def __init__(self) -> None:
        self.lists: dict[str, list[bytes]] = {}
        self.waiting: list[tuple[Waiter, list[str]]] = []
        self.expected: dict[Waiter, list[object]] = {}

    def pop(self, words: list[str]) -> object:
        """Do what BLPOP, BRPOP or BLMOVE do if they can; None if they cannot."""
        keys = words[1:2] if words[0] == "BLMOVE" else words[1:-1]
        for key in keys:
            if self.lists.get(key):
                at_head = words[0] == "BLPOP" or (words[0] == "BLMOVE" and words[3] == "LEFT")
                element = self.lists[key].pop(0 if at_head else -1)
                if words[0] != "BLMOVE":
                    return [key.encode(), element]
                self.push(words[2], [element], words[4] == "LEFT")
                return element
        return None

    def push(self, key: str, elements: list[bytes], at_head: bool) -> None:
        """LPUSH or RPUSH."""
        held = self.lists.setdefault(key, [])
        held[:] = [*elements[::-1], *held] if at_head else [*held, *elements]

    def serve(self) -> None:
        """Whoever can be served, first come first served."""
        while True:
            for place, (waiter, words) in enumerate(self.waiting):
                reply = self.pop(words)
                if reply is not None:
                    self.expected[waiter].append(reply)
                    del self.waiting[place]
                    break
            else:
                return


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_clients_get_what_redis_would_give_them(place: Place, seed: int) -> None:
    source = random.Random(seed)
    model = Model()
    keys = ["a", "b", "c", "d"]
    for number in range(250):
        if seed % 3 and source.random() < 0.1:
            place.save()
            place.evict_all()
        match source.randrange(7):
            case 0 | 1:
                name = source.choice(["BLPOP", "BRPOP", "BLMOVE"])
                words = [name, *source.choices(keys, k=source.randint(1, 3)), "0"]
                if name == "BLMOVE":
                    ends = ["LEFT", "RIGHT"]
                    words = [name, *source.choices(keys, k=2), *source.choices(ends, k=2), "0"]
                waiter = place.block(*words)
                model.expected[waiter] = []
                model.waiting.append((waiter, words))
            case 2 | 3:
                key, at_head = source.choice(keys), source.random() < 0.5
                elements = [b"%d.%d" % (number, n) for n in range(source.randint(1, 4))]
                place.run("LPUSH" if at_head else "RPUSH", key, *elements)
                model.push(key, elements, at_head)
            case 4:
                key = source.choice(keys)
                place.transaction(f"RPUSH {key} t{number}", f"RPUSH {key} u{number}")
                model.push(key, [b"t%d" % number, b"u%d" % number], False)
            case 5 if model.waiting:
                waiter, _ = model.waiting.pop(source.randrange(len(model.waiting)))
                place.leave(waiter)
            case _:
                key = source.choice(keys)
                place.run("DEL", key)
                model.lists.pop(key, None)
        place.bring_loads()
        model.serve()
        assert all(waiter.replies == replies for waiter, replies in model.expected.items())
    for key in keys:
        assert place.run("LRANGE", key, 0, -1) == model.lists.get(key, [])
    assert place.engine.loader.blocking_loads == 0
