"""The I/O threads: in order where it matters, beside each other where not, and nobody sleeps on."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from dscache.cache.workers import Workers

DEADLINE_SECONDS = 20.0


class Loop:
    """The event loop's side: it is woken, and calls what was posted."""

    def __init__(self, loaders: int = 2) -> None:
        self._woken = threading.Event()
        self.wakes = 0
        self.workers = Workers(loaders, self._wake)

    def _wake(self) -> None:
        self.wakes += 1
        self._woken.set()

    def run_until(self, is_done: threading.Event) -> None:
        """Call what is posted whenever it is woken, and only then."""
        while not is_done.is_set():
            assert self._woken.wait(DEADLINE_SECONDS), "it was not woken"
            self._woken.clear()
            self.workers.run_posted()


@pytest.fixture
def loop() -> Iterator[Loop]:
    """A loop with threads, which end with the test."""
    loop = Loop()
    yield loop
    loop.workers.stop()


def test_a_result_comes_back_in_the_thread_that_asks_for_results(loop: Loop) -> None:
    done = threading.Event()
    threads: list[int] = []

    def job() -> None:
        threads.append(threading.get_ident())
        loop.workers.post(finish)

    def finish() -> None:
        threads.append(threading.get_ident())
        done.set()

    loop.workers.submit_load(job)
    loop.run_until(done)
    assert threads[0] != threads[1] == threading.get_ident()


def test_commits_run_one_after_the_other_in_order(loop: Loop) -> None:
    done = threading.Event()
    order: list[int] = []
    for number in range(100):
        loop.workers.submit_commit(lambda number=number: order.append(number))  # type: ignore[misc]
    loop.workers.submit_commit(lambda: loop.workers.post(done.set))
    loop.run_until(done)
    assert order == list(range(100))


def test_loads_commits_and_scans_do_not_wait_for_each_other(loop: Loop) -> None:
    go_on = threading.Event()
    done = threading.Event()
    loop.workers.submit_commit(lambda: _wait(go_on))
    loop.workers.submit_scan(lambda: _wait(go_on))
    loop.workers.submit_load(lambda: _wait(go_on))
    loop.workers.submit_load(lambda: loop.workers.post(done.set))
    loop.run_until(done)
    go_on.set()


def _wait(event: threading.Event) -> None:
    assert event.wait(DEADLINE_SECONDS)


def test_nothing_that_is_posted_lies_unseen(loop: Loop) -> None:
    # Whoever looked whether the list was empty before he appended could find it not empty, and
    # append when it had been emptied and left: nobody was woken until the next tick.
    done = threading.Event()
    seen: list[int] = []

    def take(number: int) -> None:
        seen.append(number)
        if len(seen) == 40_000:
            done.set()

    def post_many(start: int) -> None:
        for number in range(start, start + 10_000):
            loop.workers.post(lambda number=number: take(number))  # type: ignore[misc]

    threads = [threading.Thread(target=post_many, args=(n * 10_000,)) for n in range(4)]
    for thread in threads:
        thread.start()
    loop.run_until(done)
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(40_000))


def test_a_loop_that_has_not_come_yet_is_not_woken_again() -> None:
    loop = Loop()
    for _ in range(10):
        loop.workers.post(lambda: None)
    assert loop.wakes == 1
    loop.workers.run_posted()
    loop.workers.post(lambda: None)
    assert loop.wakes == 2
    loop.workers.stop()


def test_a_callback_may_post_another_which_runs_in_the_same_turn(loop: Loop) -> None:
    seen: list[str] = []
    loop.workers.post(lambda: loop.workers.post(lambda: seen.append("second")))
    loop.workers.run_posted()
    assert seen == ["second"]
    assert not loop.workers.has_posted()


def test_what_is_posted_while_somebody_blocks_is_called_later(loop: Loop) -> None:
    seen: list[str] = []
    finished = threading.Event()

    def job() -> None:
        loop.workers.post(lambda: seen.append("called"))
        finished.set()

    loop.workers.submit_commit(job)
    loop.workers.wait_for(finished.is_set)
    assert not seen
    loop.workers.run_posted()
    assert seen == ["called"]


def test_stopping_finishes_what_is_queued() -> None:
    loop = Loop()
    done: list[int] = []
    for number in range(50):
        loop.workers.submit_load(lambda number=number: done.append(number))  # type: ignore[misc]
        loop.workers.submit_commit(lambda number=number: done.append(number))  # type: ignore[misc]
    loop.workers.stop()
    assert len(done) == 100
