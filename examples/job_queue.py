"""A job queue with rq: words of files are counted, by workers, in the background.

    dscache serve --port 7000 &
    export DSCACHE_URL=redis://127.0.0.1:7000
    python3 examples/job_queue.py submit README.md no-such-file.md
    python3 examples/job_queue.py worker --burst
    python3 examples/job_queue.py results

Workers run in as many terminals as you like; with --burst each ends when there is nothing to do.

Why dscache: the jobs of a long backlog, with what they carry, and the results of a month are a key
each, on disk, and only the lists of their ids must fit into memory; with `--appendfsync always` no
crash loses a job that has been enqueued.

What to look at: where a file is not there its job fails, is tried twice again, and is kept with the
reason. Make the file, and `python3 examples/job_queue.py requeue` gives it another chance.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import redis
from rq import Queue, Retry, Worker
from rq.job import Job, JobStatus

RESULTS_KEPT = timedelta(days=30)


def count_words(path: str) -> int:
    """The job: how many words a file has."""
    return len(Path(path).read_text("utf-8").split())


def submit(queue: Queue, paths: Iterable[str]) -> list[Job]:
    """Enqueue a job for each file."""
    return [
        queue.enqueue(
            # By its name: in this process the module may be called __main__, in a worker it is not.
            "job_queue.count_words",
            path,
            # At once. Retry's interval=[10, 60] makes pauses, and needs work(with_scheduler=True).
            retry=Retry(max=2),
            result_ttl=int(RESULTS_KEPT.total_seconds()),
            description=Path(path).name,
        )
        for path in map(os.path.abspath, paths)
    ]


def jobs(queue: Queue) -> list[Job]:
    """All that are known: done, failed, being done, and waiting."""
    ids = [
        *queue.finished_job_registry.get_job_ids(),
        *queue.failed_job_registry.get_job_ids(),
        *queue.started_job_registry.get_job_ids(),
        *queue.get_job_ids(),
    ]
    return [job for job in Job.fetch_many(ids, queue.connection) if job is not None]


def outcome(job: Job) -> str:
    """What has come of a job, in a few words."""
    if job.get_status() == JobStatus.FINISHED:
        return f"{job.return_value()} words"
    if job.get_status() == JobStatus.FAILED:
        result = job.latest_result()
        reason = ((result and result.exc_string) or "no reason is known").splitlines()[-1]
        return f"failed: {reason}"
    return str(job.get_status().value)


def requeue(queue: Queue) -> int:
    """Give every failed job another chance; how many there are."""
    registry = queue.failed_job_registry
    ids = registry.get_job_ids()
    for job_id in ids:
        registry.requeue(job_id)
    return len(ids)


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description="Counts the words of files in the background.")
    tasks = parser.add_subparsers(dest="task", required=True)
    tasks.add_parser("submit").add_argument("path", nargs="+")
    tasks.add_parser("worker").add_argument("--burst", action="store_true")
    tasks.add_parser("results")
    tasks.add_parser("requeue")
    given = parser.parse_args()
    with redis.Redis.from_url(os.environ.get("DSCACHE_URL", "redis://127.0.0.1:6379")) as db:
        queue = Queue("words", connection=db)
        if given.task == "submit":
            print("enqueued:", len(submit(queue, given.path)))
        elif given.task == "worker":
            Worker([queue], connection=db).work(burst=given.burst, logging_level="WARNING")
        elif given.task == "requeue":
            print("enqueued again:", requeue(queue))
        else:
            for job in sorted(jobs(queue), key=lambda job: str(job.description)):
                print(f"{job.description}: {outcome(job)}")


if __name__ == "__main__":
    main()
