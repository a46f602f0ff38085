"""celery: tasks and workers whose broker (kombu's Redis transport: lists, BRPOP, pub/sub, WATCH) and whose
result backend (pub/sub, pipelines, counted chords) are both here."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
import redis
from celery import Celery, chain, chord, group
from celery.contrib.testing.worker import start_worker
from celery.exceptions import ChordError, TaskRevokedError
from celery.signals import setup_logging
from kombu.connection import Connection

from clients import jobs
from serving import DEADLINE_SECONDS, until

# celery calls what redis-py wants called otherwise, and a worker that ends leaves sockets to the collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

#: The queue of what is sent to no other.
QUEUE = "celery"


def leave_logging_alone(**_given: object) -> None:
    """A worker would set the level of all logs, for the tests that come after it, too."""


setup_logging.connect(leave_logging_alone)


@pytest.fixture
def app(url: str) -> Iterator[Celery]:
    """An application; ``add``, ``total`` and ``fail`` are its tasks."""
    app = Celery("tests", broker=url, backend=url, set_as_current=False)
    app.conf.update(
        broker_connection_retry_on_startup=False,
        worker_redirect_stdouts=False,
        broker_transport_options={"queue_order_strategy": "priority"},
        result_backend_thread_safe=True,  # one for the worker's thread and this: it is closed below
        result_expires=1000,
        result_extended=True,
    )
    task = partial(app.task, shared=False)  # shared: with all applications
    task(jobs.add, name="add")
    task(jobs.total, name="total")
    task(jobs.fail, name="fail", autoretry_for=(ValueError,), max_retries=2, default_retry_delay=0)
    yield app
    gc.collect()  # results unsubscribe when they end, and that must be before the server does
    app.backend.result_consumer.stop()
    app.backend.client.connection_pool.disconnect()
    app.close()


@contextmanager
def working(app: Celery) -> Iterator[None]:
    """While a worker works, in a thread of this process."""
    with start_worker(app, perform_ping_check=False, shutdown_timeout=DEADLINE_SECONDS):
        yield


def test_tasks_are_done_and_their_results_are_kept_for_a_while(app: Celery, url: str) -> None:
    add = app.tasks["add"]
    results = [add.delay(n, 1) for n in range(20)]
    with redis.Redis.from_url(url) as client:
        assert client.llen(QUEUE) == 20
        with working(app):
            assert [result.get(DEADLINE_SECONDS) for result in results] == list(range(1, 21))
        assert client.llen(QUEUE) == 0
        assert {result.state for result in results} == {"SUCCESS"}
        key = f"celery-task-meta-{results[0].id}"
        assert 0 < client.ttl(key) <= 1000
        results[0].forget()
        assert not client.exists(key)


def test_what_fails_is_tried_again_and_then_kept_with_its_reason(app: Celery) -> None:
    with working(app):
        result = app.tasks["fail"].delay()
        with pytest.raises(ValueError, match="as asked"):
            result.get(DEADLINE_SECONDS)
    assert result.state == "FAILURE"
    assert result.retries == 2
    assert result.result.args == ("as asked",)
    assert "ValueError" in result.traceback


def test_chains_groups_and_chords(app: Celery) -> None:
    add, total, fail = app.tasks["add"], app.tasks["total"], app.tasks["fail"]
    with working(app):
        in_turn = chain(add.s(1, 2), add.s(3), add.s(4)).delay()
        together = group(add.s(n, n) for n in range(30)).delay()
        counted = chord((add.s(n, n) for n in range(30)), total.s()).delay()
        both = chain(group(add.s(n, 1) for n in range(3)), total.s(), add.s(100)).delay()
        hopeless = chord([add.s(1, 1), fail.s()], total.s()).delay()
        assert in_turn.get(DEADLINE_SECONDS) == 10
        assert together.get(DEADLINE_SECONDS) == [2 * n for n in range(30)]
        assert counted.get(DEADLINE_SECONDS) == 2 * sum(range(30))
        assert both.get(DEADLINE_SECONDS) == 106
        assert isinstance(hopeless.get(DEADLINE_SECONDS, propagate=False), ChordError)


def test_what_has_priority_is_done_first(app: Celery) -> None:
    done: list[int] = []

    def note(number: int) -> None:
        done.append(number)

    task = app.task(note, name="note", shared=False)
    results = [task.apply_async((n,), priority=n) for n in (9, 3, 0, 6)]
    with working(app):
        for result in results:
            result.get(DEADLINE_SECONDS)
    assert done == [0, 3, 6, 9]


def test_workers_are_asked_and_told(app: Celery) -> None:
    with working(app):
        # It may say that it is ready before it has subscribed; what is published until then is lost.
        until(lambda: bool(app.control.ping(limit=1, timeout=0.5)), "the worker hears")
        asked = app.control.inspect(limit=1, timeout=DEADLINE_SECONDS)
        (pong,) = app.control.ping(limit=1, timeout=DEADLINE_SECONDS)
        assert list(pong.values()) == [{"ok": "pong"}]
        (names,) = asked.registered().values()
        assert {"add", "fail"} <= set(names)
        app.tasks["add"].apply_async((1, 2), countdown=1000)
        until(lambda: any(asked.scheduled().values()), "the worker keeps it until then")
        app.control.revoke("unwanted", reply=True, limit=1, timeout=DEADLINE_SECONDS)
        unwanted = app.tasks["add"].apply_async((1, 2), task_id="unwanted")
        with pytest.raises(TaskRevokedError):
            unwanted.get(DEADLINE_SECONDS)


def test_what_a_dead_worker_had_not_acknowledged_is_done_by_another(app: Celery, url: str) -> None:
    result = app.tasks["add"].delay(1, 2)
    with Connection(url) as dead:
        queue = dead.SimpleQueue(QUEUE)
        assert queue.get(timeout=DEADLINE_SECONDS).headers["id"] == result.id
        # Who is killed gives nothing back.
        queue.channel.do_restore = False
    with redis.Redis.from_url(url) as client:
        assert client.hlen("unacked") == client.zcard("unacked_index") == 1
        assert client.llen(QUEUE) == 0
        app.conf.broker_transport_options |= {
            "visibility_timeout": 0,
            "unacked_restore_interval": 0.01,
            "unacked_restore_throttle": 1,
        }
        with working(app):
            assert result.get(DEADLINE_SECONDS) == 3
        assert not client.exists("unacked", "unacked_index")
