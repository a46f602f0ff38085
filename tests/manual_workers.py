"""I/O threads that are none: jobs wait until the test runs them, in the order that it likes.

So a race is a script: start a load, write the key, and only then let the load finish. ``ManualWorkers``
takes the place of the threads; ``ScriptedEngine`` is an engine that has them, with a clock that stands
still and a store that counts and fails as it is told.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence

from dscache.cache.workers import Job, Workers
from dscache.clock import ManualClock
from dscache.commands import all_registries
from dscache.commands.table import build_table
from dscache.config import Config
from dscache.engine.engine import Engine
from dscache.engine.session import Session
from dscache.engine.settings import apply_settings
from dscache.engine.waiting import SUSPENDED
from dscache.errors import StoreError
from dscache.store.batch import Batch
from dscache.store.memory import MemoryStore
from dscache.wire.reply import ErrorReply, Status

#: Steps that a test gives an engine to become quiet before it is called stuck.
_MOST_STEPS = 100_000


class ManualWorkers(Workers):
    """Collects the jobs; ``run_load`` and its sisters run one each, here and now."""

    def __init__(self, wake: Job, loaders: int = 2) -> None:
        # Not super().__init__(): it would start threads.
        self.loaders = loaders
        self.wake = wake
        self.waiting_loads: list[Job] = []
        self.waiting_commits: list[Job] = []
        self.waiting_scans: list[Job] = []
        self.waiting_logs: list[Job] = []
        self.results: deque[Job] = deque()

    def submit_load(self, job: Job) -> None:
        self.waiting_loads.append(job)

    def submit_commit(self, job: Job) -> None:
        self.waiting_commits.append(job)

    def submit_scan(self, job: Job) -> None:
        self.waiting_scans.append(job)

    def submit_log(self, job: Job) -> None:
        self.waiting_logs.append(job)

    def post(self, callback: Job) -> None:
        self.results.append(callback)
        self.wake()

    def has_posted(self) -> bool:
        return bool(self.results)

    def run_posted(self) -> None:
        while self.results:
            self.results.popleft()()

    def wait_for(self, is_done: Callable[[], bool]) -> None:
        """What blocks the event loop is waited for by doing it."""
        while not is_done():
            if self.waiting_commits:
                self.run_commit()
            else:
                self.run_load()

    def queued_loads(self) -> int:
        return len(self.waiting_loads)

    def stop(self) -> None:
        """Run what is queued: its results are not posted any more."""
        for jobs in (
            self.waiting_loads,
            self.waiting_commits,
            self.waiting_logs,
            self.waiting_scans,
        ):
            while jobs:
                jobs.pop(0)()

    def run_load(self, which: int = 0) -> None:
        """Run one waiting batch of loads; its result is posted."""
        self.waiting_loads.pop(which)()

    def run_commit(self) -> None:
        """Run the waiting commit; its result is posted."""
        self.waiting_commits.pop(0)()

    def run_scan(self) -> None:
        """Run the waiting scan that came first; its result is posted."""
        self.waiting_scans.pop(0)()

    def run_log(self) -> None:
        """Run what waits for the redo log's thread; its result is posted."""
        self.waiting_logs.pop(0)()

    def hold_results(self) -> list[Job]:
        """What has been posted, taken away: post it again with ``give_back``."""
        held = list(self.results)
        self.results.clear()
        return held

    def give_back(self, held: list[Job]) -> None:
        """Let what was held back arrive now."""
        self.results.extend(held)
        self.wake()

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be run or called."""
        return not (
            self.waiting_loads
            or self.waiting_commits
            or self.waiting_scans
            or self.waiting_logs
            or self.results
        )


class CountingStore(MemoryStore):
    """Counts keys read per column, and fails as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.keys_read: Counter[int] = Counter()
        self.keys_scanned: Counter[int] = Counter()
        self.fail_reads = False
        self.batches: list[Batch] = []

    def read_many(self, column: int, keys: list[bytes]) -> list[bytes | None]:
        """See ``MemoryStore``."""
        if self.fail_reads:
            raise StoreError("reads are made to fail by the test")
        self.keys_read[column] += len(keys)
        return super().read_many(column, keys)

    def scan(
        self, column: int, begin: bytes, end: bytes, limit: int, max_bytes: int
    ) -> list[tuple[bytes, bytes]]:
        """See ``MemoryStore``."""
        if self.fail_reads:
            raise StoreError("reads are made to fail by the test")
        found = super().scan(column, begin, end, limit, max_bytes)
        self.keys_scanned[column] += len(found)
        return found

    def commit(self, batch: Batch) -> None:
        """See ``MemoryStore``."""
        super().commit(batch)
        self.batches.append(batch)


class ScriptedEngine:
    """An engine whose I/O the test runs by hand."""

    def __init__(
        self, store: CountingStore | None = None, start: float = 1_700_000_000.0, **directives: str
    ) -> None:
        self.store = CountingStore() if store is None else store
        self.workers = ManualWorkers(self._want_turn)
        self._is_turn_wanted = False
        self.clock = ManualClock(start)
        # Room for all; a test of the bound says less.
        directives.setdefault("maxmemory", "1gb")
        directives.setdefault("cache_flush_delay", "1000")
        overrides = [(name.replace("_", "-"), [value]) for name, value in directives.items()]
        self.engine = Engine(
            Config.from_arguments(None, overrides),
            build_table(all_registries()),
            self.store,
            self.clock,
            self._want_turn,
            self._want_turn,
            self.workers,
        )
        apply_settings(self.engine)
        self.session = self.engine.new_session()

    def _want_turn(self) -> None:
        self._is_turn_wanted = True

    @property
    def now_ms(self) -> int:
        """The time on the engine's clock."""
        return int(self.clock.time() * 1000)

    def start(self, *words: str | bytes | int, session: Session | None = None) -> list[object]:
        """Execute a command; the list has its reply, or will have it when it was suspended."""
        session = session or self.session
        replies: list[object] = []

        def deliver(reply: object) -> None:
            replies.append(plain(reply))

        session.deliver = deliver
        reply = self.engine.execute(session, encoded(words))
        if reply is not SUSPENDED:
            replies.append(plain(reply))
        return replies

    def run(self, *words: str | bytes | int, session: Session | None = None) -> object:
        """Execute a command, running whatever I/O it waits for."""
        replies = self.start(*words, session=session)
        for _ in range(_MOST_STEPS):
            self.be_quiet()
            if replies:
                return replies[0]
            assert self.step(), f"{words!r} waits for nothing that will ever come"
        raise AssertionError(f"{words!r} does not get anywhere")

    def step(self) -> bool:
        """Run one job, loads before scans before the log before commits; whether there was one."""
        workers = self.workers
        if workers.waiting_loads:
            workers.run_load()
        elif workers.waiting_scans:
            workers.run_scan()
        elif workers.waiting_logs:
            workers.run_log()
        elif workers.waiting_commits:
            workers.run_commit()
        else:
            return False
        return True

    def load(self) -> None:
        """Hand over the loads that are wanted, run them, and take in what they bring."""
        self.engine.turn()
        while self.workers.waiting_loads:
            self.workers.run_load()
        self.engine.turn()

    def cut(self) -> None:
        """End the epoch, if anything is dirty and none is being saved."""
        flusher = self.engine.flusher
        flusher.retry_at = 0.0
        delay = self.engine.pacer.flush_delay_seconds
        self.engine.pacer.flush_delay_seconds = 0
        self.engine.pacer.flush_if_due()
        self.engine.pacer.flush_delay_seconds = delay

    def encode(self) -> None:
        """Encode the epoch that was cut, so that its commit waits to be run."""
        while self.engine.flusher.encoding:
            self.engine.turn()

    def commit(self) -> None:
        """Run the commit that waits, and finish its epoch."""
        self.workers.run_commit()
        self.be_quiet()

    def save(self) -> None:
        """Cut, encode and commit what is dirty."""
        while self.engine.flusher.is_saving or self.engine.flusher.has_dirty:
            self.cut()
            self.encode()
            self.workers.run_commit()
            self.be_quiet()

    def be_quiet(self) -> None:
        """Turns as long as the engine wants them: there is nothing to do then but jobs that wait."""
        for _ in range(_MOST_STEPS):
            if not self._is_turn_wanted:
                return
            self._is_turn_wanted = False
            self.engine.turn()
        raise AssertionError("the engine never becomes quiet")

    def evict_all(self) -> None:
        """Drop every entry that may go; what is dirty is not saved first."""
        residency = self.engine.residency
        limit = residency.limit_bytes
        residency.limit_bytes = 0
        residency.make_room()
        residency.limit_bytes = limit

    def save_and_evict(self) -> None:
        """Leave every key on disk only."""
        self.save()
        self.evict_all()
        assert all(not keyspace.space.entries for keyspace in self.engine.keyspaces)

    def expire_actively(self) -> None:
        """One round of active expiry over all databases, with all of its reads."""
        self.engine.expiry.tick()
        for _ in range(_MOST_STEPS):
            self.be_quiet()
            if not self.workers.waiting_scans:
                return
            self.workers.run_scan()
        raise AssertionError("active expiry never ends")

    def new_session(self, database: int = 0) -> Session:
        """Another client."""
        session = self.engine.new_session()
        session.keyspace = self.engine.keyspaces[database]
        return session

    def reopened(self) -> ScriptedEngine:
        """What starts after this one has crashed: a new engine over the same store."""
        return ScriptedEngine(self.store, self.clock.time())


def encoded(words: Sequence[str | bytes | int]) -> list[bytes]:
    """A request's words as bytes."""
    return [word if isinstance(word, bytes) else str(word).encode() for word in words]


def plain(reply: object) -> object:
    """A reply that compares: a status as its text, an error as its text behind a minus sign."""
    if isinstance(reply, Status):
        return reply.text
    if isinstance(reply, ErrorReply):
        return b"-" + reply.text
    if isinstance(reply, list):
        return [plain(one) for one in reply]
    return reply
