"""The engine against a plain dictionary, whatever happens in whatever order.

Hypothesis plays several clients, the I/O threads, the disk and the clock: commands, epochs that are
cut, saved and fail, loads that finish in any order, evictions, expiry, and crashes, after which only
the store is left. Each reply must be the dictionary's at the instant at which the command ran; after
each commit, and after each crash, the store must hold exactly what the dictionary held when that
epoch was cut.

``HYPOTHESIS_PROFILE=long`` looks for new failures for as long as one likes.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import NamedTuple

import hypothesis.strategies as st
from hypothesis import HealthCheck, note, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from conftest import PROFILE
from dscache.cache.residency import POLICIES
from dscache.cache.workers import Job
from dscache.engine.session import Session
from dscache.engine.waiting import SUSPENDED
from manual_workers import CountingStore, ScriptedEngine, encoded, plain
from residents import check_memory, check_quiet
from stored import Keys, stored_databases

DATABASES = 2
SESSIONS = 3

#: Few keys, so that everything meets everything.
KEYS = [b"a", b"b", b"c"]
#: Short; kept as a buffer once appended to; kept apart from its record. By name, for shorter reports.
VALUES = {
    "SHORT": b"one",
    "MEDIUM": b"m" * 5000,
    "APART": b"L" * 17_000,
}

Words = list[str | bytes | int]


def request(words: Words) -> list[bytes]:
    """``words`` as they are sent, with values in the place of their names."""
    return encoded([VALUES.get(word, word) if isinstance(word, str) else word for word in words])


class Shown:
    """A database as commands see it: keys that are past their time are not there."""

    def __init__(self, keys: Keys, now_ms: int) -> None:
        self.keys = keys
        self.now_ms = now_ms

    def __contains__(self, key: object) -> bool:
        return key in self.keys and not 0 < self.keys[key][1] <= self.now_ms

    def __getitem__(self, key: bytes) -> tuple[bytes, int]:
        assert key in self
        return self.keys[key]

    def __setitem__(self, key: bytes, value: tuple[bytes, int]) -> None:
        self.keys[key] = value

    def get(self, key: bytes, default: tuple[bytes, int]) -> tuple[bytes, int]:
        """As a dictionary's."""
        return self.keys[key] if key in self else default

    def remove(self, key: bytes) -> bool:
        """Whether ``key`` was there."""
        if key not in self:
            return False
        del self.keys[key]
        return True


class Model:
    """What Redis would hold. Keys that are past their time stay in it until they are overwritten:
    the server may have removed them or not."""

    def __init__(self) -> None:
        self.databases: list[Keys] = [{} for _ in range(DATABASES)]

    def alive(self, database: int, now_ms: int) -> set[bytes]:
        """Keys that exist."""
        return {
            key for key, (_, due_ms) in self.databases[database].items() if not 0 < due_ms <= now_ms
        }

    def apply(self, database: int, args: list[bytes], now_ms: int) -> object:
        """Carry out a command; what it answers."""
        keys = Shown(self.databases[database], now_ms)
        return getattr(self, f"do_{args[0].decode().lower()}")(database, keys, args[1:], now_ms)

    def do_set(self, database: int, keys: Shown, args: list[bytes], now_ms: int) -> object:
        key, value, *options = args
        due_ms = 0
        if options and options[0] == b"PX":
            due_ms = now_ms + int(options[1])
        elif options and key in keys:
            due_ms = keys[key][1]
        keys[key] = (value, due_ms)
        return b"OK"

    def do_mset(self, database: int, keys: Shown, args: list[bytes], now_ms: int) -> object:
        for key, value in zip(args[::2], args[1::2], strict=True):
            keys[key] = (value, 0)
        return b"OK"

    def do_get(self, database: int, keys: Shown, args: list[bytes], now_ms: int) -> object:
        return keys[args[0]][0] if args[0] in keys else None

    def do_getdel(self, database: int, keys: Shown, args: list[bytes], now_ms: int) -> object:
        value = self.do_get(database, keys, args, now_ms)
        keys.remove(args[0])
        return value

    def do_mget(self, database: int, keys: Shown, args: list[bytes], now_ms: int) -> object:
        return [keys[key][0] if key in keys else None for key in args]

    def do_strlen(self, database: int, keys: Shown, args: list[bytes], now_ms: int) -> object:
        return len(keys[args[0]][0]) if args[0] in keys else 0

    def do_exists(self, database: int, keys: Shown, args: list[bytes], now_ms: int) -> object:
        return sum(key in keys for key in args)

    def do_pexpiretime(self, database: int, keys: Shown, args: list[bytes], now_ms: int) -> object:
        if args[0] not in keys:
            return -2
        return keys[args[0]][1] or -1

    def do_del(self, database: int, keys: Shown, args: list[bytes], now_ms: int) -> object:
        return sum(keys.remove(key) for key in args)

    def do_pexpire(self, database: int, keys: Shown, args: list[bytes], now_ms: int) -> object:
        if args[0] not in keys:
            return 0
        keys[args[0]] = (keys[args[0]][0], now_ms + int(args[1]))
        return 1

    def do_persist(self, database: int, keys: Shown, args: list[bytes], now_ms: int) -> object:
        if keys.get(args[0], (b"", 0))[1] == 0:
            return 0
        keys[args[0]] = (keys[args[0]][0], 0)
        return 1

    def do_append(self, database: int, keys: Shown, args: list[bytes], now_ms: int) -> object:
        value, due_ms = keys.get(args[0], (b"", 0))
        keys[args[0]] = (value + args[1], due_ms)
        return len(keys[args[0]][0])

    def do_rename(self, database: int, keys: Shown, args: list[bytes], now_ms: int) -> object:
        if args[0] not in keys:
            return b"-ERR no such key"
        value = keys[args[0]]
        keys.remove(args[0])
        keys[args[1]] = value
        return b"OK"

    def do_move(self, database: int, keys: Shown, args: list[bytes], now_ms: int) -> object:
        other = int(args[1])
        if other == database:
            return b"-ERR source and destination objects are the same"
        if args[0] not in keys or args[0] in self.alive(other, now_ms):
            return 0
        self.databases[other][args[0]] = keys[args[0]]
        keys.remove(args[0])
        return 1

    def do_flushdb(self, database: int, keys: Shown, args: list[bytes], now_ms: int) -> object:
        self.databases[database].clear()
        return b"OK"

    def do_flushall(self, database: int, keys: Shown, args: list[bytes], now_ms: int) -> object:
        for every in self.databases:
            every.clear()
        return b"OK"

    def do_swapdb(self, database: int, keys: Shown, args: list[bytes], now_ms: int) -> object:
        one, other = int(args[0]), int(args[1])
        databases = self.databases
        databases[one], databases[other] = databases[other], databases[one]
        return b"OK"


class Pending:
    """A command that was sent and has not been answered yet."""

    def __init__(self, database: int, words: Words, queued: list[Words] | None = None) -> None:
        self.database = database
        self.words = words
        #: The commands of the transaction that it executes.
        self.queued = queued
        #: What DBSIZE and KEYS, which answer for some instant since they were sent, may say.
        self.fewest = 0
        self.most = 0
        self.always: set[bytes] | None = None
        self.ever: set[bytes] = set()

    def observe(self, model: Model, now_ms: int) -> None:
        """Take the present instant into account."""
        alive = model.alive(self.database, now_ms)
        held = len(model.databases[self.database])
        first = self.always is None
        self.fewest = len(alive) if first else min(self.fewest, len(alive))
        self.most = held if first else max(self.most, held)
        self.always = set(alive) if self.always is None else self.always & alive
        self.ever |= alive


class Drawn(NamedTuple):
    """What a command is made of; which one it is depends on the commands of the example."""

    kind: int
    key: bytes
    other: bytes
    value: str
    ms: int
    database: int


#: Makers of commands.
MAKERS: list[Callable[[Drawn], Words]] = [
    lambda d: ["SET", d.key, d.value],
    lambda d: ["SET", d.key, d.value, "PX", d.ms],
    lambda d: ["SET", d.key, d.value, "KEEPTTL"],
    lambda d: ["MSET", d.key, d.value, d.other, "SHORT"],
    lambda d: ["GET", d.key],
    lambda d: ["GETDEL", d.key],
    lambda d: ["MGET", d.key, d.other, d.key],
    lambda d: ["STRLEN", d.key],
    lambda d: ["EXISTS", d.key, d.other],
    lambda d: ["PEXPIRETIME", d.key],
    lambda d: ["DEL", d.key],
    lambda d: ["DEL", d.key, d.other],
    lambda d: ["PEXPIRE", d.key, d.ms],
    lambda d: ["PERSIST", d.key],
    lambda d: ["APPEND", d.key, d.value],
    lambda d: ["RENAME", d.key, d.other],
    lambda d: ["MOVE", d.key, d.database],
    lambda d: ["FLUSHDB"],
    lambda d: ["FLUSHALL"],
    lambda d: ["SWAPDB", 0, d.database],
    lambda d: ["DBSIZE"],
    lambda d: ["KEYS", "*"],
]

# What happens to one key again and again finds more than what happens to many.
A_KEY = st.sampled_from([KEYS[0], KEYS[0], KEYS[0], *KEYS])
A_COMMAND = st.builds(
    Drawn,
    kind=st.integers(0, 1000),
    key=A_KEY,
    other=A_KEY,
    value=st.sampled_from(sorted(VALUES)),
    ms=st.sampled_from([1, 500, 5000]),
    database=st.integers(0, DATABASES - 1),
)


class EngineAgainstModel(RuleBasedStateMachine):
    """See the module's docstring."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        #: The model as it was when each epoch was cut that has not been followed by a commit.
        self.cuts: dict[int, Model] = {}
        self.committed = Model()
        self.boot(ScriptedEngine(databases=str(DATABASES)))

    def boot(self, scripted: ScriptedEngine) -> None:
        """Begin with an engine that has just started."""
        self.scripted = scripted
        self.engine = scripted.engine
        self.store: CountingStore = scripted.store
        self.cuts.clear()
        self.seen_cut = 0
        self.seen_commits = self.store.commits
        self.pending: dict[int, Pending] = {}
        self.late: list[Job] = []
        self.sessions = [scripted.new_session(n % DATABASES) for n in range(SESSIONS)]

    def note_commits(self) -> None:
        """The store may hold a later epoch than at the last look; its number is the last cut's."""
        self.note_cuts()
        if self.store.commits > self.seen_commits:
            self.seen_commits = self.store.commits
            self.committed = self.cuts[self.engine.flusher.last_cut]
            self.check_store()

    def note_cuts(self) -> None:
        """Epochs that were cut since the last look show what the model still holds."""
        while self.seen_cut < self.engine.flusher.last_cut:
            self.seen_cut += 1
            self.cuts[self.seen_cut] = deepcopy(self.model)

    def answered(self, pending: Pending, reply: object) -> None:
        """``pending`` has run just now: so must the model."""
        self.note_cuts()
        reply = plain(reply)
        now_ms = self.scripted.now_ms
        if isinstance(reply, bytes) and reply.startswith(b"-IOERR"):
            return
        if isinstance(reply, bytes) and reply.startswith(b"-EXECABORT"):
            assert b"IOERR" in reply
            return
        if pending.queued is not None:
            assert isinstance(reply, list)
            for words, answer in zip(pending.queued, reply, strict=True):
                self.check_reply(pending, words, answer, now_ms)
        else:
            self.check_reply(pending, pending.words, reply, now_ms)
        for other in self.pending.values():
            other.observe(self.model, now_ms)

    def check_reply(self, pending: Pending, words: Words, reply: object, now_ms: int) -> None:
        inside = words is not pending.words
        if words[0] in {"DBSIZE", "KEYS"}:
            seen = Pending(pending.database, words) if inside else pending
            seen.observe(self.model, now_ms)
            if words[0] == "DBSIZE":
                assert isinstance(reply, int)
                assert seen.fewest <= reply <= seen.most
                return
            assert isinstance(reply, list)
            assert len(reply) == len(set(reply))
            assert seen.always is not None
            assert seen.always <= set(reply) <= seen.ever
            return
        if words[0] == "SWAPDB" and words[1] == words[2]:
            assert reply == b"OK"
            return
        expected = self.model.apply(pending.database, request(words), now_ms)
        assert reply == expected, f"{words!r} in database {pending.database}"

    # What clients do

    def send(self, session: Session, pending: Pending, words: Words) -> None:
        """Send one command; ``answered`` hears of its reply."""
        pending.observe(self.model, self.scripted.now_ms)
        number = session.number

        def deliver(reply: object) -> None:
            del self.pending[number]
            self.answered(pending, reply)

        session.deliver = deliver
        reply = self.engine.execute(session, request(words))
        if reply is SUSPENDED:
            self.pending[number] = pending
        else:
            self.answered(pending, reply)

    def idle(self, which: int) -> Session | None:
        """A session that waits for nothing."""
        session = self.sessions[which]
        return None if session.number in self.pending else session

    @initialize(
        policy=st.sampled_from(POLICIES),
        makers=st.lists(st.sampled_from(MAKERS), min_size=3, max_size=9, unique_by=id),
    )
    def choose(self, policy: str, makers: list[Callable[[Drawn], Words]]) -> None:
        """Each example has few kinds of commands, so that those meet often."""
        self.engine.set_policy(policy, 10, 1)
        self.makers = makers

    def made(self, drawn: Drawn) -> Words:
        """The command, said aloud if the example fails."""
        words = self.makers[drawn.kind % len(self.makers)](drawn)
        note(f"    {words}")
        return words

    @rule(which=st.integers(0, SESSIONS - 1), drawn=A_COMMAND)
    def command(self, which: int, drawn: Drawn) -> None:
        session = self.idle(which)
        if session is not None:
            words = self.made(drawn)
            self.send(session, Pending(session.keyspace.index, words), words)

    @rule(which=st.integers(0, SESSIONS - 1), burst=st.lists(A_COMMAND, min_size=1, max_size=5))
    def commands_and_answers(self, which: int, burst: list[Drawn]) -> None:
        """As when the disk is much faster than clients are: so more happens in fewer steps."""
        for drawn in burst:
            self.command(which, drawn)
            self.let_loads_finish()

    @rule(
        which=st.integers(0, SESSIONS - 1),
        drawn=st.lists(A_COMMAND, min_size=1, max_size=4),
    )
    def transaction(self, which: int, drawn: list[Drawn]) -> None:
        session = self.idle(which)
        if session is None:
            return
        queued = [self.made(one) for one in drawn]
        assert plain(self.engine.execute(session, [b"MULTI"])) == b"OK"
        for words in queued:
            reply = self.engine.execute(session, request(words))
            assert plain(reply) == b"QUEUED"
        pending = Pending(session.keyspace.index, ["EXEC"], queued)
        self.send(session, pending, ["EXEC"])

    @rule(which=st.integers(0, SESSIONS - 1))
    def leave(self, which: int) -> None:
        """A client goes, perhaps while it waits: then what it waited for never happens."""
        session = self.sessions[which]
        self.engine.end_session(session)
        self.pending.pop(session.number, None)
        self.sessions[which] = self.scripted.new_session(session.keyspace.index)

    @rule(
        which=st.integers(0, SESSIONS - 1),
        keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=4),
    )
    def look_ahead(self, which: int, keys: list[bytes]) -> None:
        self.engine.look_ahead(self.sessions[which], [[b"GET", key] for key in keys])

    # What the event loop and the threads do

    def let_loads_finish(self) -> None:
        """Run all loads and scans, but no commit."""
        workers = self.scripted.workers
        self.scripted.be_quiet()
        while workers.waiting_loads or workers.waiting_scans:
            self.scripted.step()
            self.scripted.be_quiet()

    @rule(ticks=st.booleans())
    def turn(self, ticks: bool) -> None:
        if ticks:
            self.engine.flusher.retry_at = 0.0
            self.engine.tick()
        else:
            self.engine.turn()

    @rule()
    def cut(self) -> None:
        self.note_cuts()
        self.scripted.cut()
        self.note_cuts()

    # No rule has a precondition: how far the engine comes in a turn depends on the time it takes.

    @rule(which=st.integers(0, 9), fails=st.integers(0, 9), is_late=st.booleans())
    def finish_load(self, which: int, fails: int, is_late: bool) -> None:
        """A load has read; if it ``is_late``, its thread comes to post that only later."""
        self.engine.turn()
        waiting = self.scripted.workers.waiting_loads
        if not waiting:
            return
        self.store.fail_reads = fails == 0
        self.scripted.workers.run_load(which % len(waiting))
        self.store.fail_reads = False
        if is_late:
            self.late.append(self.scripted.workers.results.pop())

    @rule(which=st.integers(0, SESSIONS - 1), key=A_KEY, whole=st.booleans())
    def read_late(self, which: int, key: bytes, whole: bool) -> None:
        """A client asks for a key, and the thread that has read it falls asleep."""
        session = self.idle(which)
        if session is None:
            return
        words: Words = ["GET" if whole else "STRLEN", key]
        self.send(session, Pending(session.keyspace.index, words), words)
        workers = self.scripted.workers
        self.scripted.be_quiet()
        while workers.waiting_loads:
            workers.run_load()
        self.late += workers.hold_results()

    @rule(is_late=st.booleans())
    def finish_scan(self, is_late: bool) -> None:
        if self.scripted.workers.waiting_scans:
            self.scripted.workers.run_scan()
            if is_late:
                self.late.append(self.scripted.workers.results.pop())

    @rule(which=st.integers(0, 9))
    def arrive(self, which: int) -> None:
        """What is late is posted."""
        if self.late:
            self.scripted.workers.post(self.late.pop(which % len(self.late)))

    @rule(
        how=st.sampled_from(["well", "well", "fails", "fails", "cannot read"]), evicts=st.booleans()
    )
    def save(self, how: str, evicts: bool) -> None:
        """All of an epoch in one step."""
        self.cut()
        self.scripted.be_quiet()
        self.finish_commit(how)
        self.scripted.be_quiet()
        if evicts:
            self.scripted.evict_all()

    @rule(how=st.sampled_from(["well", "well", "well", "fails", "cannot read"]))
    def finish_commit(self, how: str) -> None:
        if not self.scripted.workers.waiting_commits:
            return
        self.store.fail_commits = how == "fails"
        self.store.fail_reads = how == "cannot read"
        self.scripted.workers.run_commit()
        self.store.fail_commits = self.store.fail_reads = False
        self.note_commits()

    @rule()
    def go_on(self) -> None:
        """Everything that waits for the disk goes on, except that nothing new is cut."""
        self.scripted.be_quiet()

    @rule(key=st.none() | st.sampled_from(KEYS), database=st.integers(0, DATABASES - 1))
    def evict(self, key: bytes | None, database: int) -> None:
        if key is None:
            self.scripted.evict_all()
        else:
            self.engine.keyspaces[database].evict(key)

    @rule(ms=st.integers(1, 3000))
    def time_passes(self, ms: int) -> None:
        self.scripted.clock.advance(ms / 1000)
        for pending in self.pending.values():
            pending.observe(self.model, self.scripted.now_ms)

    # The end of the world

    @rule()
    def crash(self) -> None:
        self.check_store()
        self.model = deepcopy(self.committed)
        self.boot(ScriptedEngine(self.store, self.scripted.clock.time(), databases=str(DATABASES)))

    @rule()
    def become_quiet(self) -> None:
        """Let everything finish; then the disk and the counts are what the model is."""
        self.settle_down()

    def settle_down(self) -> None:
        flusher = self.engine.flusher
        workers = self.scripted.workers
        workers.give_back(self.late)
        self.late = []
        for _ in range(1000):
            self.scripted.be_quiet()
            if workers.waiting_commits:
                self.finish_commit("well")
            elif self.scripted.step():
                pass
            elif flusher.is_saving or flusher.has_dirty:
                self.cut()
            else:
                break
        assert not self.pending, "somebody waits for nothing"
        self.check_store()
        check_quiet(self.engine)
        now_ms = self.scripted.now_ms
        for index, keyspace in enumerate(self.engine.keyspaces):
            alive = len(self.model.alive(index, now_ms))
            assert alive <= keyspace.count() <= len(self.model.databases[index])

    def check_store(self) -> None:
        """The store holds what the model held when the last committed epoch was cut."""
        now_ms = self.scripted.now_ms
        for index, held in stored_databases(self.store).items():
            expected = self.committed.databases[index]
            for key, (value, due_ms) in held.items():
                assert key in expected, f"{key!r} is on disk in database {index}"
                assert (value, due_ms) == expected[key]
            for key, (_, due_ms) in expected.items():
                assert key in held or 0 < due_ms <= now_ms, f"{key!r} is not on disk"

    @invariant()
    def memory_adds_up(self) -> None:
        # A transaction that counts keys may have waited for a commit, blocking.
        self.note_commits()
        check_memory(self.engine)

    def teardown(self) -> None:
        self.settle_down()


def test_every_reply_and_every_commit_is_what_a_dictionary_says() -> None:
    long = PROFILE != "ci"
    run_state_machine_as_test(
        EngineAgainstModel,
        settings=settings(
            max_examples=20_000 if long else 150,
            stateful_step_count=60 if long else 40,
            derandomize=not long,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
