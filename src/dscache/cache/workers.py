"""The threads that call the store, and the way back from them.

Four kinds, so that nothing that is queued can delay a load: ``disk-threads`` loaders, one commit
thread, one for the redo log, one for scans (SCAN, KEYS, active expiry). They take jobs from a queue
each and never touch an entry; a result travels as a callback that is *posted*: appended to a list that
the event loop's thread empties. ``wake`` is called from whichever thread posts first after that, and must
make the event loop's thread call ``run_posted`` soon. (That is the pipe of the 2011 server.)

What the jobs call in the store is interpreted on purpose (``setup.py``): between bytecodes the
interpreter gives the GIL away, compiled loops do not.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final

from mypy_extensions import mypyc_attr

Job = Callable[[], None]

_POLL_SECONDS: Final = 0.0005


@mypyc_attr(allow_interpreted_subclasses=True)
class Workers:
    """The I/O threads of one engine. Tests have others, which run jobs when they are told to."""

    def __init__(self, loaders: int, wake: Job) -> None:
        self._wake = wake
        self._posted: deque[Job] = deque()
        # The event loop has been woken and has not come yet.
        self._is_woken = False
        self._loads: SimpleQueue[Job | None] = SimpleQueue()
        self._commits: SimpleQueue[Job | None] = SimpleQueue()
        self._log: SimpleQueue[Job | None] = SimpleQueue()
        self._scans: SimpleQueue[Job | None] = SimpleQueue()
        self.loaders = loaders
        self._threads = [self._start(f"dscache-load-{n}", self._loads) for n in range(loaders)]
        self._threads.append(self._start("dscache-commit", self._commits))
        self._threads.append(self._start("dscache-log", self._log))
        self._threads.append(self._start("dscache-scan", self._scans))

    def _start(self, name: str, jobs: SimpleQueue[Job | None]) -> threading.Thread:
        thread = threading.Thread(target=_run_jobs, args=(jobs,), name=name, daemon=True)
        thread.start()
        return thread

    def submit_load(self, job: Job) -> None:
        """Run ``job`` in one of the loader threads."""
        self._loads.put(job)

    def submit_commit(self, job: Job) -> None:
        """Run ``job`` in the commit thread, after those submitted before it."""
        self._commits.put(job)

    def submit_log(self, job: Job) -> None:
        """Run ``job`` in the thread of the redo log, after those submitted before it."""
        self._log.put(job)

    def submit_scan(self, job: Job) -> None:
        """Run ``job`` in the scan thread, after those submitted before it."""
        self._scans.put(job)

    def post(self, callback: Job) -> None:
        """From an I/O thread: have ``callback`` called in the event loop's thread."""
        # Append first, look at the flag after that; run_posted does it the other way round. So
        # either it still finds this callback, or the flag is seen down and it is woken again. (To
        # look whether the list was empty is not enough: run_posted may empty it and leave before
        # the append.) A wake too many is harmless.
        self._posted.append(callback)
        if not self._is_woken:
            self._is_woken = True
            self._wake()

    def run_posted(self) -> None:
        """In the event loop's thread: call what has been posted, in order."""
        self._is_woken = False
        posted = self._posted
        while posted:
            posted.popleft()()

    def has_posted(self) -> bool:
        """Whether ``run_posted`` has something to call."""
        return bool(self._posted)

    def wait_for(self, is_done: Callable[[], bool]) -> None:
        """In the event loop's thread: block until an I/O thread has made ``is_done`` true.

        The last resort. Nothing that is posted meanwhile is called.
        """
        while not is_done():
            time.sleep(_POLL_SECONDS)

    def queued_loads(self) -> int:
        """Batches that wait for a loader thread."""
        return self._loads.qsize()

    def stop(self) -> None:
        """Let every thread finish what is queued and end; returns when all have."""
        for _ in range(self.loaders):
            self._loads.put(None)
        self._commits.put(None)
        self._log.put(None)
        self._scans.put(None)
        for thread in self._threads:
            thread.join()


def _run_jobs(jobs: SimpleQueue[Job | None]) -> None:
    while (job := jobs.get()) is not None:
        job()
        # Do not keep the job, and with it the batch it wrote, until the next one comes.
        del job
