"""rq: queues of jobs with workers, results, retries, dependencies and schedules, all by redis-py's pipelines,
WATCH and scripts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from rq import Queue, Retry, SimpleWorker
from rq.group import Group
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry
from rq.scheduler import RQScheduler

from clients import jobs
from serving import DEADLINE_SECONDS

TESTS = Path(__file__).parents[1]


@pytest.fixture
def connection(url: str) -> Iterator[redis.Redis]:
    """A client of redis-py, as rq wants it."""
    with redis.Redis.from_url(url) as connection:
        yield connection


@pytest.fixture
def queue(connection: redis.Redis) -> Queue:
    """A queue."""
    return Queue("work", connection=connection)


def work(queue: Queue) -> None:
    """Let a worker do what there is to do, in this process."""
    worker = SimpleWorker([queue], connection=queue.connection)
    worker.log.disabled = True
    worker.work(burst=True)


def test_jobs_are_done_and_their_results_are_kept(queue: Queue) -> None:
    done = [queue.enqueue(jobs.add, n, 1) for n in range(20)]
    assert queue.count == 20
    work(queue)
    assert [job.return_value(refresh=True) for job in done] == list(range(1, 21))
    assert {job.get_status() for job in done} == {JobStatus.FINISHED}
    assert sorted(FinishedJobRegistry(queue=queue).get_job_ids()) == sorted(job.id for job in done)
    assert queue.count == 0


@pytest.mark.slow
def test_a_worker_forks_for_each_job(queue: Queue, url: str) -> None:
    done = [queue.enqueue(jobs.process) for _ in range(2)]
    words = [sys.executable, "-m", "rq.cli", "worker", "--burst", "--url", url, "work"]
    path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
    subprocess.run(
        words,
        check=True,
        capture_output=True,
        timeout=DEADLINE_SECONDS,
        env=os.environ | {"PYTHONPATH": path},
    )
    processes = {job.return_value(refresh=True) for job in done}
    assert len(processes - {None, os.getpid()}) == 2


def test_what_fails_is_tried_again_and_then_kept_with_its_reason(queue: Queue) -> None:
    job = queue.enqueue(jobs.fail, retry=Retry(max=2))
    work(queue)
    job.refresh()
    assert job.get_status() == JobStatus.FAILED
    assert job.retries_left == 0
    failed = FailedJobRegistry(queue=queue)
    assert failed.get_job_ids() == [job.id]
    result = job.latest_result()
    assert result is not None
    assert "as asked" in str(result.exc_string)
    failed.requeue(job)
    assert queue.get_job_ids() == [job.id]


def test_a_job_waits_for_those_that_it_depends_on(queue: Queue) -> None:
    first = [queue.enqueue(jobs.add, n, n) for n in range(3)]
    last = queue.enqueue(jobs.add, 1, 2, depends_on=first)
    hopeless = queue.enqueue(jobs.add, 1, 2, depends_on=queue.enqueue(jobs.fail))
    assert last.get_status() == JobStatus.DEFERRED
    work(queue)
    assert last.return_value(refresh=True) == 3
    assert hopeless.get_status(refresh=True) == JobStatus.DEFERRED


def test_scheduled_jobs_are_queued_when_they_are_due(queue: Queue) -> None:
    due = queue.enqueue_in(timedelta(seconds=-1), jobs.add, 1, 1)
    later = queue.enqueue_in(timedelta(hours=1), jobs.add, 2, 2)
    scheduler = RQScheduler([queue], connection=queue.connection)
    assert scheduler.acquire_locks() == {"work"}
    assert RQScheduler([queue], connection=queue.connection).acquire_locks() == set()
    scheduler.enqueue_scheduled_jobs()
    scheduler.release_locks()
    assert queue.get_job_ids() == [due.id]
    assert ScheduledJobRegistry(queue=queue).get_job_ids() == [later.id]


def test_groups_and_cancelled_jobs(queue: Queue) -> None:
    group = Group.create(connection=queue.connection)
    members = group.enqueue_many(
        queue, [Queue.prepare_data(jobs.add, (n, n), {}) for n in range(3)]
    )
    members[0].cancel()
    work(queue)
    assert members[0].get_status(refresh=True) == JobStatus.CANCELED
    assert [job.return_value(refresh=True) for job in members[1:]] == [2, 4]
    assert {job.id for job in group.get_jobs()} == {job.id for job in members}
    members[1].delete()
    assert not Job.exists(members[1].id, connection=queue.connection)
