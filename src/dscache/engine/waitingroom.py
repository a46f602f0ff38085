"""The waiting room: commands that a fault has unwound, until what they need is there.

``suspend`` arranges for what a fault asks for: loads for keys, a job in the scan thread, a commit, the
number of keys of a space, room for a write, the end of a pause. When it is there the command runs again
(``wait_ended``) and its reply is delivered. Only its own client waits.

The first fault of a command loads *all* keys that its key specifications name. Later ones are for keys
that only the running command could know, and are counted as faults. Keys of requests that a client has
sent behind the one that waits are loaded too (``look_ahead``): a pipeline of misses costs one wait.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from dscache.cache.epoch import Epoch
from dscache.cache.space import Space
from dscache.cache.wait import (
    FOR_CHANGE,
    FOR_COMMIT,
    FOR_KEYS,
    FOR_PAUSE,
    FOR_ROOM,
    FOR_SCAN,
    FOR_SNAPSHOT,
    Wait,
)
from dscache.cache.workers import Workers
from dscache.engine.blocking import Blocking
from dscache.engine.command import Command, CommandTable
from dscache.engine.core import Core
from dscache.engine.keyspace import Keyspace, settled_name
from dscache.engine.keyspec import HEAD, NOTHING, VALUE, VALUE_OF_CONTAINER
from dscache.engine.latency import LatencyMonitor
from dscache.engine.pacing import Pacer
from dscache.engine.session import Session
from dscache.engine.waiting import (
    SUSPENDED,
    BlockFault,
    CommitFault,
    Fault,
    JobFault,
    KeyFault,
    KeysFault,
    PauseFault,
    RoomFault,
    SettleFault,
    Suspension,
    Wanted,
)
from dscache.errors import CommandError, DscacheError
from dscache.values.base import STRING, Apart

#: Requests that one client has sent ahead and whose keys are loaded ahead.
LOOK_AHEAD: Final = 512

# Their values, on their way, may take this part of the entries' memory, all clients' together. How large
# they are is guessed from what is in memory; after a start, there is nothing to guess from.
_LOADS_SHARE: Final = 4
_LEAST_GUESS_BYTES: Final = 1024

#: Runs a command: the reply, or SUSPENDED.
Run = Callable[[Session, Command, list[bytes]], object]
#: The reply of a command that cannot run, because what it waited for has failed.
Fail = Callable[[Session, Command, DscacheError], object]
#: Counts a command that has been answered; the last argument is when it began.
Account = Callable[[Session, Command, list[bytes], float], None]


class _Settling:
    """Somebody who asked how many keys a space has while some of them were not settled."""

    def __init__(self, space: Space, wait: Suspension) -> None:
        self.space: Final = space
        self.wait: Final = wait
        #: The epoch that will settle them, and the count at its cut; 0 until it is cut.
        self.epoch = 0
        self.keys = 0


class _Job:
    """A job of a suspended command, on its way through another thread and back.

    A class, and not nested functions: mypyc 2.4 keeps the variables of those in an object that it
    uses again before it has let go of what was in them. What a job holds (a snapshot) may give the
    GIL away when it is let go of, and the other thread got that object, half cleared.
    """

    def __init__(
        self, room: WaitingRoom, workers: Workers, wait: Suspension, fault: JobFault
    ) -> None:
        self._room: Final = room
        self._workers: Final = workers
        self._wait: Final = wait
        self._name: Final = fault.name
        self._work: Final = fault.job
        self._result: object = None
        self._error: DscacheError | None = None

    def run(self) -> None:
        """In the thread that it was submitted to."""
        try:
            self._result = self._work()
        except DscacheError as error:
            self._error = error
        except Exception as unexpected:
            # The thread must go on.
            self._error = DscacheError(f"{type(unexpected).__name__}: {unexpected}")
        self._workers.post(self._end)

    def _end(self) -> None:
        self._wait.error = self._error
        self._room.job_ended(self._wait, self._name, self._result)


def _suspension(session: Session, command: Command, args: list[bytes]) -> Suspension:
    wait = Suspension(session, command, args)
    session.wait = wait
    return wait


def _add_if_missing(missing: list[Wanted], space: Space, key: bytes, needs: int) -> None:
    entry = space.entries.get(key)
    if entry is None:
        missing.append((space, key, needs == VALUE))
        return
    value = entry.value
    if isinstance(value, Apart) and (
        needs == VALUE or (needs == VALUE_OF_CONTAINER and value.type_code() != STRING)
    ):
        missing.append((space, key, True))


class WaitingRoom:
    """See the module's docstring."""

    def __init__(
        self,
        core: Core,
        table: CommandTable,
        workers: Workers,
        latency: LatencyMonitor,
        keyspaces: list[Keyspace],
        run: Run,
        fail: Fail,
        account: Account,
        want_turn_at: Callable[[float], None],
    ) -> None:
        self._core: Final[Core] = core
        self._table: Final[CommandTable] = table
        self._workers: Final[Workers] = workers
        self._latency: Final[LatencyMonitor] = latency
        self._keyspaces: Final[list[Keyspace]] = keyspaces
        self._run = run
        self._fail = fail
        self._account = account
        self._for_room: deque[Suspension] = deque()
        self._for_commit: list[tuple[int, Suspension]] = []
        self._for_settling: list[_Settling] = []
        self._for_pause: list[Suspension] = []
        self._want_turn_at = want_turn_at
        #: Those who wait for keys to change.
        self.blocking: Final[Blocking] = Blocking(
            keyspaces, self._retry, self._finish, self._give_up
        )

    @property
    def writers_waiting(self) -> int:
        """Clients whose writes wait for room."""
        return len(self._for_room)

    @property
    def paused_clients(self) -> int:
        """Clients that CLIENT PAUSE holds back, without those that had been blocked before."""
        return sum(wait.block is None for wait in self._for_pause)

    # In

    def suspend(
        self, session: Session, command: Command, args: list[bytes], fault: Fault, pacer: Pacer
    ) -> object:
        """Arrange for what ``fault`` asks for; the answer is SUSPENDED."""
        wait = session.wait
        if wait is None:
            wait = _suspension(session, command, args)
        assert isinstance(wait, Suspension)
        wait.restarts += 1
        if isinstance(fault, KeyFault):
            self._arrange_keys(wait, fault.wanted)
        elif isinstance(fault, KeysFault):
            wait.reason = FOR_KEYS
            for wanted in fault.wanted:
                self._want(wait, wanted)
        elif isinstance(fault, JobFault):
            self._arrange_job(wait, fault)
        elif isinstance(fault, CommitFault):
            self._arrange_commit(wait, pacer)
        elif isinstance(fault, SettleFault):
            wait.reason = FOR_COMMIT
            self._for_settling.append(_Settling(fault.space, wait))
            pacer.cut_if_idle()
        elif isinstance(fault, RoomFault):
            wait.reason = FOR_ROOM
            self._for_room.append(wait)
        elif isinstance(fault, BlockFault):
            self._arrange_change(wait, fault)
        else:
            assert isinstance(fault, PauseFault)
            wait.reason = FOR_PAUSE
            self._for_pause.append(wait)
        return SUSPENDED

    def suspend_for_keys(
        self, session: Session, command: Command, args: list[bytes], missing: list[Wanted]
    ) -> object:
        """As ``suspend`` at the first fault, for a command that has not run: its ``missing_keys``."""
        wait = _suspension(session, command, args)
        wait.restarts += 1
        self._preload(wait, missing)
        return SUSPENDED

    def _arrange_change(self, wait: Suspension, fault: BlockFault) -> None:
        """Until a key changes may be long: what was loaded for the command is not kept for it."""
        wait.reason = FOR_CHANGE
        self._release(wait)
        wait.is_preloaded = False
        deadline = self.blocking.add(wait, fault, self._core.clock.time())
        if deadline is not None:
            self._want_turn_at(deadline)

    def _arrange_keys(self, wait: Suspension, first: Wanted) -> None:
        """Load the key that was missed, and at the first fault all that the command names."""
        if wait.is_preloaded:
            wait.reason = FOR_KEYS
            self._core.stats.cache_faults += 1
        else:
            self._preload(wait, self.missing_keys(wait.session.keyspace, wait.command, wait.args))
        # Usually among them already; then this asks for nothing more.
        self._want(wait, first)

    def _preload(self, wait: Suspension, missing: list[Wanted]) -> None:
        """Load all that its command names and memory lacks."""
        wait.reason = FOR_KEYS
        wait.is_preloaded = True
        for wanted in missing:
            self._want(wait, wanted)

    def _want(self, wait: Suspension | None, wanted: Wanted) -> None:
        space, key, whole = wanted
        if self._core.loader.want(space, key, whole, wait):
            # One miss per load. The lookup that the load is for will count itself as a hit.
            self._core.stats.cache_misses += 1
            self._core.stats.cache_hits -= 1

    def missing_keys(self, keyspace: Keyspace, command: Command, args: list[bytes]) -> list[Wanted]:
        """Keys that ``command`` will need and memory does not know (well enough). O(keys).

        Where new keys are told of, a write needs to know of each whether it exists.
        """
        missing: list[Wanted] = []
        for spec in command.keys:
            needs = spec.needs(args)
            if needs == NOTHING and self._core.tells_new and command.is_write:
                needs = HEAD
            other = spec.other_database(args)
            if needs == NOTHING and other < 0:
                continue
            try:
                positions = spec.positions(args)
            except ValueError:
                # The handler will say what is wrong with the arguments.
                continue
            for place in positions:
                if needs != NOTHING:
                    _add_if_missing(missing, keyspace.space, args[place], needs)
                if 0 <= other < len(self._keyspaces):
                    _add_if_missing(missing, self._keyspaces[other].space, args[place], HEAD)
        return missing

    def look_ahead_room(self) -> int:
        """For how many more requests loading ahead makes sense now.

        Values on their way are in no account yet, and if they are more than memory has room for,
        they push each other out before they are used.
        """
        residency = self._core.residency
        mean_bytes = int(residency.entries_bytes) // max(int(residency.resident), 1)
        loads = int(residency.limit_bytes) // _LOADS_SHARE // max(mean_bytes, _LEAST_GUESS_BYTES)
        return max(loads - int(self._core.loader.in_progress), 0)

    def look_ahead(self, session: Session, requests: list[list[bytes]]) -> None:
        """Load the keys of ``requests``, which ``session`` has sent behind the one that waits."""
        for args in requests:
            command = self._table.find(args)
            if command is not None and command.keys and command.accepts(len(args)):
                for wanted in self.missing_keys(session.keyspace, command, args):
                    self._want(None, wanted)

    def _arrange_job(self, wait: Suspension, fault: JobFault) -> None:
        wait.reason = FOR_SCAN if fault.submit is None else FOR_SNAPSHOT
        wait.pending += 1
        submit = fault.submit or self._workers.submit_scan
        submit(_Job(self, self._workers, wait, fault).run)

    def job_ended(self, wait: Suspension, name: str, result: object) -> None:
        """A job has run for ``wait``; it has set the error if it has failed."""
        wait.results[name] = result
        wait.pending -= 1
        if wait.pending == 0:
            self.wait_ended(wait)

    def _arrange_commit(self, wait: Suspension, pacer: Pacer) -> None:
        wait.reason = FOR_COMMIT
        flusher = self._core.flusher
        number = flusher.last_cut + 1 if flusher.has_dirty else flusher.last_cut
        if number <= flusher.last_committed:
            # Nothing is on its way, and no later epoch may ever come to wake it.
            wait.results["committed"] = True
            self._workers.post(lambda: self.wait_ended(wait))
            return
        self._for_commit.append((number, wait))
        pacer.cut_if_idle()

    # Out

    def wait_ended(self, wait: Wait) -> None:
        """All that ``wait`` waited for is there: run its command again."""
        assert isinstance(wait, Suspension)
        if wait.cancelled:
            self._release(wait)
            return
        session = wait.session
        if wait.error is not None:
            reply = self._fail(session, wait.command, wait.error)
        elif wait.block is not None and not self.blocking.may_find(wait):
            # What it was woken for has gone meanwhile, or has turned out to be of another type.
            self._arrange_change(wait, wait.block)
            self.blocking.signal_behind(wait)
            return
        else:
            reply = self._run(session, wait.command, wait.args)
            if reply is SUSPENDED:
                if wait.reason == FOR_CHANGE:
                    self.blocking.signal_behind(wait)
                return
        # Those who blocked behind it had to wait for it to run.
        self.blocking.signal_behind(wait)
        self.blocking.remove(wait)
        self._finish(wait, reply)
        self.blocking.serve()

    def _retry(self, wait: Suspension) -> object:
        """Run the command of a client whose key has changed: its reply, or SUSPENDED."""
        return self._run(wait.session, wait.command, wait.args)

    def _give_up(self, wait: Suspension, reply: object) -> None:
        """The command of ``wait``, which has been blocked, ends without having run to its end."""
        self._account(wait.session, wait.command, wait.args, self._core.clock.time())
        self._finish(wait, reply)

    def unblock(self, session: Session, error: CommandError | None) -> bool:
        """CLIENT UNBLOCK: let ``session`` wait no longer, as if its time were over, or with an error.

        Whether it was blocked. The reply goes out in the next turn: a command has called this, even
        inside a transaction.
        """
        wait = session.wait
        if wait is None:
            return False
        assert isinstance(wait, Suspension)
        fault = wait.block
        if fault is None:
            return False
        self._withdraw(wait)
        otherwise = fault.otherwise
        self._workers.post(lambda: self._end_unblocked(wait, otherwise, error))
        return True

    def wake(self, session: Session) -> None:
        """What the command of ``session`` has blocked for, which is no key, has happened: run it again."""
        wait = session.wait
        if not isinstance(wait, Suspension) or wait.block is None or wait.reason != FOR_CHANGE:
            return
        reply = self._retry(wait)
        if reply is not SUSPENDED:
            self.blocking.remove(wait)
            self._finish(wait, reply)

    def _end_unblocked(
        self, wait: Suspension, otherwise: object, error: CommandError | None
    ) -> None:
        if wait.session.wait is not wait:
            # The client has left.
            return
        if error is not None:
            otherwise = self._fail(wait.session, wait.command, error)
        self._give_up(wait, otherwise)

    def _finish(self, wait: Suspension, reply: object) -> None:
        """The command of ``wait`` has its reply."""
        session = wait.session
        session.wait = None
        if session.tracked is not None:
            session.tracked.request_ended(session, wait.command)
        if wait.reason == FOR_KEYS:
            seconds = time.perf_counter() - wait.since
            self._latency.note_load(self._core.clock.time(), seconds)
        self._release(wait)
        session.deliver(reply)

    def _release(self, wait: Wait) -> None:
        self._core.residency.unpin(wait)

    def leave(self, session: Session) -> None:
        """The client is gone: nothing waits for it any more.

        Clients that come, wait and go must not pile up behind a slow disk or a long pause.
        """
        wait = session.wait
        if wait is None:
            return
        assert isinstance(wait, Suspension)
        session.wait = None
        self._withdraw(wait)

    def _withdraw(self, wait: Suspension) -> None:
        """``wait`` waits for nothing any more; what is under way for it will not run it again."""
        wait.cancelled = True
        if wait.reason != FOR_CHANGE:
            self.blocking.signal_behind(wait)
        self.blocking.remove(wait)
        self._release(wait)
        if wait.reason == FOR_ROOM and wait in self._for_room:
            self._for_room.remove(wait)
        elif wait.reason == FOR_PAUSE and wait in self._for_pause:
            self._for_pause.remove(wait)

    # What comes up

    @property
    def wants_commit(self) -> bool:
        """Whether somebody waits for an epoch that may not have been cut yet."""
        return bool(self._for_settling) or bool(self._for_commit)

    def before_cut(self, number: int) -> None:
        """Epoch ``number`` is being cut: it will settle what was asked for before."""
        for one in self._for_settling:
            if one.epoch == 0:
                one.epoch = number
                one.keys = int(one.space.keys)

    def epoch_ended(self, epoch: Epoch) -> None:
        """An epoch has been committed, or has failed."""
        self._settle_counts(epoch)
        if epoch.error is not None:
            return
        ready = [wait for number, wait in self._for_commit if number <= epoch.number]
        self._for_commit = [one for one in self._for_commit if one[0] > epoch.number]
        for wait in ready:
            wait.results["committed"] = True
            self.wait_ended(wait)

    def _settle_counts(self, epoch: Epoch) -> None:
        """Answer those who asked for a number of keys that this epoch settles.

        The number is that of the instant of the cut: what the space counted then, less the keys
        that were taken for new and were not.
        """
        asking = self._for_settling
        self._for_settling = []
        for one in asking:
            if one.epoch == epoch.number:
                if not epoch.settled:
                    one.wait.error = epoch.error
                elif not one.space.retired:
                    name = settled_name(one.space)
                    one.wait.results[name] = one.keys - epoch.surplus_of(one.space)
            elif one.space.unsettled > 0:
                # Asked while another epoch was being saved.
                self._for_settling.append(one)
                continue
            self.wait_ended(one.wait)

    def let_writers_go(self, pacer: Pacer) -> None:
        """Run the writes that wait, first come first served, as long as there is room."""
        while self._for_room and not pacer.writers_wait:
            self.wait_ended(self._for_room.popleft())

    def refuse_writers(self) -> None:
        """The disk is in trouble for too long: writes that wait run, and are refused."""
        waiting = list(self._for_room)
        self._for_room.clear()
        for wait in waiting:
            self.wait_ended(wait)

    def refuse_commits(self, error: DscacheError) -> None:
        """So do those who wait for a commit, or for a number of keys that a commit settles."""
        waiting = [wait for _, wait in self._for_commit]
        waiting += [one.wait for one in self._for_settling]
        self._for_commit = []
        self._for_settling = []
        for wait in waiting:
            wait.error = error
            self.wait_ended(wait)

    def end_pause(self) -> None:
        """Run what CLIENT PAUSE has held back, in the next turn: a command may have called this,
        even inside a transaction."""
        waiting = self._for_pause
        if waiting:
            self._for_pause = []
            self._workers.post(lambda: self._resume(waiting))

    def _resume(self, waiting: list[Suspension]) -> None:
        for wait in waiting:
            self.wait_ended(wait)
