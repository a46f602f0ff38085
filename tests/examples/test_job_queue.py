"""examples/job_queue.py"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from rq import Queue, SimpleWorker
from rq.job import JobStatus

from job_queue import RESULTS_KEPT, jobs, outcome, requeue, submit


@pytest.fixture
def queue(url: str) -> Iterator[Queue]:
    """A queue with nothing in it."""
    with redis.Redis.from_url(url) as connection:
        yield Queue("words", connection=connection)


def work(queue: Queue, most: int | None = None) -> None:
    """Let a worker do what there is to do, or the first of it, in this process."""
    worker = SimpleWorker([queue], connection=queue.connection)
    worker.log.disabled = True
    worker.work(burst=True, max_jobs=most)


def test_words_are_counted_and_the_results_are_kept(queue: Queue, tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.txt" for n in range(5)]
    for n, path in enumerate(paths):
        path.write_text("word " * n)
    submitted = submit(queue, map(str, paths))
    assert [outcome(job) for job in jobs(queue)] == ["queued"] * 5
    work(queue)
    assert [outcome(job) for job in submitted] == [f"{n} words" for n in range(5)]
    assert {job.id for job in jobs(queue)} == {job.id for job in submitted}
    kept = queue.connection.ttl(submitted[0].key)
    assert 0 < kept <= RESULTS_KEPT.total_seconds()


def test_a_file_that_comes_late_is_counted_at_the_next_try(queue: Queue, tmp_path: Path) -> None:
    late = tmp_path / "late.txt"
    (job,) = submit(queue, [str(late)])
    work(queue, most=1)
    assert job.get_status() == JobStatus.QUEUED
    late.write_text("here I am")
    work(queue)
    assert outcome(job) == "3 words"


def test_a_file_that_never_comes_is_tried_three_times_and_kept_with_its_reason(
    queue: Queue, tmp_path: Path
) -> None:
    late = tmp_path / "late.txt"
    (job,) = submit(queue, [str(late)])
    for _ in range(3):
        assert job.get_status() == JobStatus.QUEUED
        work(queue, most=1)
    assert outcome(job).startswith("failed: FileNotFoundError: ")
    assert [one.id for one in jobs(queue)] == [job.id]
    late.write_text("at last")
    assert requeue(queue) == 1
    work(queue)
    assert outcome(job) == "2 words"
    assert requeue(queue) == 0
