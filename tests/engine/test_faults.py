"""The engine with its redo log on a disk in trouble, against a model: what was promised is kept.

Hypothesis plays clients, the clock, the I/O threads, a disk that fails, forgets, and recovers, and
processes that end in every way. The model is the data set after each acknowledged change, in order, and how
many of them have been promised to survive (``appendfsync always`` has let the reply go, WAITAOF or CACHE
FLUSH has answered, the log says that it is synced, an epoch was committed).

While the server is up each answer is the model's. After a restart the data set is what the model was
after some change, the last promised or a later one: so nothing promised is lost, nothing refused has
happened, and no transaction is there in part. Once the disk works again everybody gets an answer and
writes are taken within seconds.

``make faults`` looks for new failures.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections import deque
from collections.abc import Callable
from pathlib import Path

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
from disks import BROKEN, FULL, READ_ONLY, SHORT, Disk
from dscache.engine.redo import ALWAYS, EVERY_SECOND, NEVER
from dscache.engine.replay import open_log
from dscache.engine.session import Session
from dscache.engine.waiting import SUSPENDED
from dscache.errors import StoreError
from faulty_store import CATCH_UP, COMMIT, LATE_COMMIT, READ, SCAN, FaultyStore
from manual_workers import ScriptedEngine, encoded, plain
from residents import check_memory

SESSIONS = 3

#: Once the disk works again, everything does within this time. (Tries come every five seconds at least.)
RECOVERY_SECONDS = 8

#: By name, for shorter reports. The last is enough of the memory's share for an epoch to be cut.
VALUES = {"SHORT": b"one", "APART": b"L" * 17_000, "BIG": b"B" * 700_000}

Words = list[str | int]
Value = bytes | tuple[bytes, ...]

#: {key: (value, due time in ms or 0)}. The first letter of a key says what it holds.
State = dict[str, tuple[Value, int]]

STRINGS = ["s0", "s1"]
KEYS = [*STRINGS, "n", "l", "t", "h"]
MEMBERS = [b"a", b"b", b"c"]

SCRIPT = "redis.call('APPEND', KEYS[1], ARGV[1]) return redis.call('RPUSH', KEYS[2], ARGV[1])"

COMMANDS: list[Callable[[str, str], Words]] = [
    lambda key, value: ["SET", key, value],
    lambda key, value: ["SET", key, value, "PX", 700],
    lambda key, value: ["MSET", "s0", value, "s1", value],
    lambda key, value: ["APPEND", key, "SHORT"],
    lambda key, value: ["GET", key],
    lambda key, value: ["MGET", "s0", "s1", "n"],
    lambda key, value: ["DEL", key],
    lambda key, value: ["DEL", "l"],
    lambda key, value: ["INCR", "n"],
    lambda key, value: ["RPUSH", "l", value],
    lambda key, value: ["LPOP", "l"],
    lambda key, value: ["LRANGE", "l", 0, -1],
    lambda key, value: ["SADD", "t", "a", "b", "c"],
    lambda key, value: ["SPOP", "t"],
    lambda key, value: ["SMISMEMBER", "t", "a", "b", "c"],
    lambda key, value: ["HSET", "h", "f", value],
    lambda key, value: ["HGET", "h", "f"],
    lambda key, value: ["FLUSHDB"],
]

A_COMMAND = st.builds(
    lambda make, key, value: make(key, value),
    st.sampled_from(COMMANDS),
    st.sampled_from(STRINGS),
    st.sampled_from(["SHORT", "SHORT", "APART", "BIG"]),
)


def request(words: Words) -> list[bytes]:
    """``words`` as they are sent, with values in the place of their names."""
    return encoded([VALUES.get(word, word) if isinstance(word, str) else word for word in words])


def seen(state: State, now_ms: int) -> State:
    """What clients see of ``state``."""
    return {key: held for key, held in state.items() if not 0 < held[1] <= now_ms}


def brief(state: State) -> str:
    """``state`` for an error message."""
    return ", ".join(f"{key}: {str(held[0])[:30]} {held[1]}" for key, held in state.items())


class Model:
    """Carries out commands on a state; ``reply`` is what the server said, for what chance decides."""

    def __init__(self, state: State, now_ms: int) -> None:
        self.state = dict(state)
        self.now_ms = now_ms

    def apply(self, words: Words, reply: object) -> object:
        """What the command must answer."""
        name, *args = request(words)
        method: Callable[[list[bytes], object], object] = getattr(
            self, f"do_{name.decode().lower()}"
        )
        return method(args, reply)

    def _value(self, key: bytes) -> Value | None:
        held = seen(self.state, self.now_ms).get(key.decode())
        return None if held is None else held[0]

    def _bytes(self, key: bytes) -> bytes | None:
        value = self._value(key)
        assert value is None or isinstance(value, bytes)
        return value

    def _items(self, key: bytes) -> tuple[bytes, ...]:
        value = self._value(key) or ()
        assert isinstance(value, tuple)
        return value

    def _put(self, key: bytes, value: Value) -> None:
        if value == ():
            self.state.pop(key.decode(), None)
        else:
            self.state[key.decode()] = (value, 0)

    def do_set(self, args: list[bytes], reply: object) -> object:
        self._put(args[0], args[1])
        if len(args) > 2:
            self.state[args[0].decode()] = (args[1], self.now_ms + int(args[3]))
        return b"OK"

    def do_mset(self, args: list[bytes], reply: object) -> object:
        for key, value in zip(args[::2], args[1::2], strict=True):
            self._put(key, value)
        return b"OK"

    def do_append(self, args: list[bytes], reply: object) -> object:
        before = self._bytes(args[0])
        due_ms = 0 if before is None else self.state[args[0].decode()][1]
        value = (before or b"") + args[1]
        self.state[args[0].decode()] = (value, due_ms)
        return len(value)

    def do_get(self, args: list[bytes], reply: object) -> object:
        return self._bytes(args[0])

    def do_mget(self, args: list[bytes], reply: object) -> object:
        return [self._bytes(key) for key in args]

    def do_del(self, args: list[bytes], reply: object) -> object:
        was_there = args[0].decode() in seen(self.state, self.now_ms)
        self.state.pop(args[0].decode(), None)
        return int(was_there)

    def do_incr(self, args: list[bytes], reply: object) -> object:
        number = int(self._bytes(args[0]) or b"0") + 1
        self._put(args[0], b"%d" % number)
        return number

    def do_rpush(self, args: list[bytes], reply: object) -> object:
        items = (*self._items(args[0]), args[1])
        self._put(args[0], items)
        return len(items)

    def do_lpop(self, args: list[bytes], reply: object) -> object:
        items = self._items(args[0])
        self._put(args[0], items[1:])
        return items[0] if items else None

    def do_lrange(self, args: list[bytes], reply: object) -> object:
        return list(self._items(args[0]))

    def do_sadd(self, args: list[bytes], reply: object) -> object:
        items = self._items(args[0])
        self._put(args[0], tuple(sorted({*items, *args[1:]})))
        return len(self._items(args[0])) - len(items)

    def do_spop(self, args: list[bytes], reply: object) -> object:
        items = self._items(args[0])
        assert reply in items or (reply is None and not items)
        self._put(args[0], tuple(item for item in items if item != reply))
        return reply

    def do_smismember(self, args: list[bytes], reply: object) -> object:
        items = self._items(args[0])
        return [int(member in items) for member in args[1:]]

    def do_hset(self, args: list[bytes], reply: object) -> object:
        is_new = not self._items(args[0])
        self._put(args[0], (args[2],))
        return int(is_new)

    def do_hget(self, args: list[bytes], reply: object) -> object:
        items = self._items(args[0])
        return items[0] if items else None

    def do_flushdb(self, args: list[bytes], reply: object) -> object:
        self.state.clear()
        return b"OK"


class Pending:
    """A request that was sent: one command, a transaction or a script of ``commands``, or a question
    about safety, which has none."""

    def __init__(self, words: Words, commands: list[Words], change: int = 0) -> None:
        self.words = words
        self.commands = commands
        #: The last change that its answer makes a promise of.
        self.change = change


class EngineOnAFaultyDisk(RuleBasedStateMachine):
    """See the module's docstring."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="dscache-faults-"))
        self.store = FaultyStore()
        self.disk = Disk()
        #: The data set after each change, in order, since the last restart; and the last one promised.
        self.states: list[State] = [{}]
        self.promised = 0
        self.policy = EVERY_SECOND
        self.boot(1_700_000_000.0)

    def boot(self, now: float) -> None:
        """Start a server on what is there."""
        self.scripted = ScriptedEngine(
            self.store,
            now,
            maxmemory="8mb",
            cache_flush_delay="1",
            appendfsync=self.policy,
        )
        self.engine = self.scripted.engine
        self.redo = self.engine.redo
        open_log(self.engine, self.folder, self.disk)
        self.pending: dict[int, Pending] = {}
        #: Frames of the redo log, each with the last change that is in it.
        self.frames: deque[tuple[int, int]] = deque()
        #: The last change before each cut.
        self.cuts: dict[int, int] = {}
        self.sessions = [self.scripted.new_session() for _ in range(SESSIONS)]
        #: The last change of each client.
        self.changed_by = [0] * SESSIONS

    @initialize(policy=st.sampled_from([ALWAYS, EVERY_SECOND, NEVER]))
    def begin(self, policy: str) -> None:
        self.set_policy(policy)

    # What is promised

    @property
    def last_change(self) -> int:
        return len(self.states) - 1

    def promise(self, change: int) -> None:
        """This change, and with it all before it, must survive from now on."""
        self.promised = max(self.promised, change)

    def note_cuts(self) -> None:
        """Epochs that were cut since the last look hold all changes up to now."""
        for number in range(len(self.cuts) + 1, self.engine.flusher.last_cut + 1):
            self.cuts[number] = self.last_change

    @invariant()
    def note_promises(self) -> None:
        self.note_cuts()
        committed = self.engine.flusher.last_committed
        if committed:
            self.promise(self.cuts[committed])
        while self.frames and self.frames[0][0] <= self.redo.synced:
            self.promise(self.frames.popleft()[1])

    @invariant()
    def memory_adds_up(self) -> None:
        check_memory(self.engine)

    # What clients do

    def send(self, which: int, pending: Pending) -> None:
        session = self.sessions[which]
        if session.number in self.pending:
            return
        note(f"    {which}: {pending.words}")

        def deliver(reply: object) -> None:
            del self.pending[session.number]
            self.answered(which, session, pending, plain(reply))

        session.deliver = deliver
        reply = self.engine.execute(session, request(pending.words))
        if reply is SUSPENDED:
            self.pending[session.number] = pending
        else:
            self.answered(which, session, pending, plain(reply))

    def answered(self, which: int, session: Session, pending: Pending, reply: object) -> None:
        """``pending`` has run just now: so must the model."""
        self.note_cuts()
        if isinstance(reply, bytes) and reply.startswith(b"-"):
            self.check_error(reply)
            return
        if not pending.commands:
            if reply in ([1, 0], b"OK"):
                self.promise(pending.change)
            return
        model = Model(self.states[-1], self.scripted.now_ms)
        if pending.words[0] == "EXEC":
            assert isinstance(reply, list)
            for words, answer in zip(pending.commands, reply, strict=True):
                if isinstance(answer, bytes) and answer.startswith(b"-"):
                    assert answer.startswith(b"-IOERR")
                else:
                    assert answer == model.apply(words, answer), words
        else:
            # Of a script's commands the last one is what it answers.
            expected = [model.apply(words, reply) for words in pending.commands]
            assert reply == expected[-1], pending.words
        if model.state != self.states[-1]:
            self.states.append(model.state)
            self.changed_by[which] = self.last_change
            self.acknowledge(session)

    def acknowledge(self, session: Session) -> None:
        """What a connection does with the reply to a change."""
        change = self.last_change
        redo = self.redo
        self.frames.append((session.logged, change))
        if redo.holds(session.logged):
            redo.when_synced(session.logged, lambda: self.promise(change))
        elif redo.policy == ALWAYS:
            self.promise(change)

    def check_error(self, error: bytes) -> None:
        assert b"IOERR" in error or b"MISCONF" in error, error
        if b"MISCONF" in error:
            assert self.engine.flusher.failing_since or self.redo.failing_since

    @rule(which=st.integers(0, SESSIONS - 1), words=A_COMMAND)
    def command(self, which: int, words: Words) -> None:
        self.send(which, Pending(words, [words]))

    @rule(which=st.integers(0, SESSIONS - 1), burst=st.lists(A_COMMAND, min_size=1, max_size=5))
    def commands_and_answers(self, which: int, burst: list[Words]) -> None:
        for words in burst:
            self.send(which, Pending(words, [words]))
            self.let_loads_finish()

    @rule(which=st.integers(0, SESSIONS - 1), queued=st.lists(A_COMMAND, min_size=1, max_size=3))
    def transaction(self, which: int, queued: list[Words]) -> None:
        session = self.sessions[which]
        if session.number in self.pending:
            return
        self.engine.execute(session, [b"MULTI"])
        for words in queued:
            note(f"    {which}: {words}")
            self.engine.execute(session, request(words))
        self.send(which, Pending(["EXEC"], queued))

    @rule(which=st.integers(0, SESSIONS - 1), key=st.sampled_from(STRINGS))
    def script(self, which: int, key: str) -> None:
        commands: list[Words] = [["APPEND", key, "SHORT"], ["RPUSH", "l", "SHORT"]]
        self.send(which, Pending(["EVAL", SCRIPT, 2, key, "l", "SHORT"], commands))

    @rule(which=st.integers(0, SESSIONS - 1), ms=st.sampled_from([0, 500]))
    def wait_for_the_log(self, which: int, ms: int) -> None:
        self.send(which, Pending(["WAITAOF", 1, 0, ms], [], self.changed_by[which]))

    @rule(which=st.integers(0, SESSIONS - 1))
    def wait_for_a_commit(self, which: int) -> None:
        self.send(which, Pending(["CACHE", "FLUSH"], [], self.last_change))

    @rule(policy=st.sampled_from([ALWAYS, EVERY_SECOND, NEVER]))
    def set_policy(self, policy: str) -> None:
        self.policy = policy
        assert self.scripted.run("CONFIG", "SET", "appendfsync", policy) == b"OK"

    # What the event loop and the threads do

    def let_loads_finish(self) -> None:
        """Run all loads and scans, but neither the log's jobs nor a commit."""
        workers = self.scripted.workers
        self.scripted.be_quiet()
        while workers.waiting_loads or workers.waiting_scans:
            self.scripted.step()
            self.scripted.be_quiet()

    @rule()
    def turn(self) -> None:
        self.engine.turn()

    @rule()
    def run_load(self) -> None:
        if self.scripted.workers.waiting_loads:
            self.scripted.workers.run_load()

    @rule()
    def run_log(self) -> None:
        if self.scripted.workers.waiting_logs:
            self.scripted.workers.run_log()

    @rule(syncs=st.booleans())
    def let_the_log_work(self, syncs: bool) -> None:
        """All that it has to do, while nothing is committed."""
        self.time_passes(0.02)
        if syncs:
            self.redo.sync_soon()
        self.scripted.be_quiet()
        for _ in range(2):
            self.run_log()
            self.scripted.be_quiet()

    @rule()
    def run_commit(self) -> None:
        if self.scripted.workers.waiting_commits:
            self.scripted.workers.run_commit()

    @rule()
    def run_all(self) -> None:
        self.scripted.be_quiet()
        while self.scripted.step():
            self.scripted.be_quiet()

    @rule(seconds=st.sampled_from([0.02, 0.2, 1.0, 6.0]))
    def time_passes(self, seconds: float) -> None:
        """On both clocks; the steady one goes on by itself, so what was is put back."""
        self.scripted.clock.advance(seconds)
        flusher, redo = self.engine.flusher, self.redo
        for owner, names in (
            (flusher, ("failing_since", "retry_at", "oldest_change", "_oldest_dirty")),
            (redo, ("failing_since", "_retry_at", "_due", "_last_sync")),
        ):
            for name in names:
                if getattr(owner, name) != 0.0:
                    setattr(owner, name, getattr(owner, name) - seconds)
        self.engine.tick()

    @rule()
    def evict(self) -> None:
        self.scripted.evict_all()

    # Trouble

    @rule(
        method=st.sampled_from(
            ["append", "sync", "sync", "create", "truncate", "sync_names", "remove"]
        ),
        code=st.sampled_from([FULL, BROKEN, READ_ONLY]),
        times=st.sampled_from([1, 2, 1000]),
    )
    def let_the_log_fail(self, method: str, code: int, times: int) -> None:
        self.disk.fail(method, *[code] * times)

    @rule(times=st.integers(1, 3))
    def write_in_part(self, times: int) -> None:
        self.disk.fail("append", *[SHORT] * times)

    @rule(
        what=st.sampled_from([COMMIT, LATE_COMMIT, CATCH_UP, READ, SCAN]),
        times=st.sampled_from([1, 2, 1000]),
    )
    def let_the_store_fail(self, what: str, times: int) -> None:
        self.store.failures[what] += times

    @rule()
    def recover(self) -> None:
        """The disk works again: within seconds everybody has an answer, and writes are taken."""
        self.disk.failures.clear()
        self.store.failures.clear()
        for _ in range(RECOVERY_SECONDS):
            self.run_all()
            self.time_passes(1.0)
        self.run_all()
        assert not self.engine.flusher.failing_since
        assert not self.redo.failing_since
        assert not self.pending, "somebody waits for nothing"
        changes = len(self.states)
        self.send(0, Pending(["INCR", "n"], [["INCR", "n"]]))
        self.run_all()
        assert len(self.states) == changes + 1

    # The end of a process, and the next

    def restart(self) -> None:
        """What is there now is what was there after some change, a promised or a later one."""
        self.disk.failures.clear()
        self.store.crash()
        self.boot(self.scripted.clock.time())
        now_ms = self.scripted.now_ms
        found = self.content()
        for change in range(self.last_change, self.promised - 1, -1):
            if seen(self.states[change], now_ms) == found:
                self.states = [self.states[change]]
                self.promised = 0
                return
        possible = [brief(seen(state, now_ms)) for state in self.states[self.promised :]]
        raise AssertionError(f"{brief(found)} is there, not one of {possible}")

    def content(self) -> State:
        """The data set, as a client reads it."""
        run = self.scripted.run
        found: State = {}
        for key in [*STRINGS, "n"]:
            value = run("GET", key)
            due_ms = run("PEXPIRETIME", key)
            assert isinstance(due_ms, int)
            if isinstance(value, bytes):
                found[key] = (value, max(due_ms, 0))
        items = run("LRANGE", "l", 0, -1)
        assert isinstance(items, list)
        flags = run("SMISMEMBER", "t", *MEMBERS)
        assert isinstance(flags, list)
        members = [member for member, flag in zip(MEMBERS, flags, strict=True) if flag]
        field = run("HGET", "h", "f")
        fields = [field] if isinstance(field, bytes) else []
        for key, several in (("l", items), ("t", members), ("h", fields)):
            if several:
                found[key] = (tuple(several), 0)
        assert run("DBSIZE") == len(found)
        return found

    @rule(seed=st.integers(0, 1000))
    def lose_power(self, seed: int) -> None:
        self.note_promises()
        self.disk.lose_power(random.Random(seed))
        self.restart()

    @rule()
    def kill(self) -> None:
        self.note_promises()
        self.disk.die()
        self.restart()

    @rule(saves=st.booleans())
    def shut_down(self, saves: bool) -> None:
        """If that goes well nothing is lost."""
        try:
            if saves:
                self.engine.pacer.commit_now()
            self.engine.close()
        except StoreError:
            self.note_promises()
            self.disk.die()
        else:
            self.promise(self.last_change)
        self.restart()

    def teardown(self) -> None:
        try:
            self.recover()
            self.lose_power(0)
        finally:
            self.disk.die()
            shutil.rmtree(self.folder)


def test_whatever_the_disk_does_what_was_promised_is_kept() -> None:
    long = PROFILE != "ci"
    run_state_machine_as_test(
        EngineOnAFaultyDisk,
        settings=settings(
            max_examples=20_000 if long else 40,
            stateful_step_count=60 if long else 40,
            derandomize=not long,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
