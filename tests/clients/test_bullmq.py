"""BullMQ: queues of jobs for Node.js, all of whose steps are Lua scripts; its events are a stream that is
read with XREAD BLOCK, and its workers wait with BZPOPMIN. What each test does is in ``bullmq.mjs``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from npm import npm
from serving import DEADLINE_SECONDS, ServerProcess

pytestmark = pytest.mark.slow

PROGRAM: Final = Path(__file__).with_name("bullmq.mjs")
#: BullMQ, and the client that it is told to use.
PACKAGES: Final = ("bullmq@6.7.0", "ioredis@6.0.0")

#: Scenario in, what came of it out.
Run = Callable[[str], dict[str, object]]


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``bullmq.mjs`` beside the packages that it imports."""
    folder = tmp_path_factory.mktemp("bullmq")
    npm(folder, "install", "--ignore-scripts", "--no-audit", "--no-fund", *PACKAGES)
    return Path(shutil.copy(PROGRAM, folder))


@pytest.fixture
def run(program: Path, server: ServerProcess) -> Run:
    """Run a scenario against the server."""

    def run(scenario: str) -> dict[str, object]:
        done = subprocess.run(
            ["node", str(program), str(server.address[1]), scenario],
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
            env=os.environ | {"NODE_NO_WARNINGS": "1"},
        )
        assert done.returncode == 0, done.stderr
        # It would warn of a server that is too old, or that forgets keys when memory is full.
        assert done.stderr == ""
        outcome = json.loads(done.stdout)
        assert isinstance(outcome, dict)
        return outcome

    return run


def test_jobs_are_done_and_their_results_progress_and_logs_are_kept(run: Run) -> None:
    assert run("results") == {
        "before": {"waiting": 60, "completed": 0},
        "returned": [2 * n for n in range(60)],
        "after": {"waiting": 0, "active": 0, "completed": 60, "failed": 0},
        "progress": 50,
        "logs": ["halfway with 59"],
        "text": 500,
        "listed": 10,
    }


def test_priorities_delays_and_deduplication_decide_what_is_done_when(run: Run) -> None:
    assert run("order") == {
        "counts": {"waiting": 3, "prioritized": 2, "delayed": 2},
        "order": ["lifo", "plain", "same", "high", "low", "tomorrow"],
        "waiting": "delayed",
        "later": True,
    }


def test_what_fails_is_tried_again_after_a_while_and_then_kept_with_its_reason(run: Run) -> None:
    assert run("retries") == {
        "returned": "done",
        "failed": "as asked",
        "attempts": 6,
        "made": 3,
        "afterwards": "after all",
        "state": "completed",
    }


def test_a_parent_waits_for_its_children_and_fails_with_them(run: Run) -> None:
    outcome = run("flow")
    failed = str(outcome.pop("failed"))
    assert failed.startswith("child bull:leaves:")
    assert failed.endswith(" failed")
    assert outcome == {
        "before": "waiting-children",
        "paged": 31,
        "sum": sum(range(30)) + 1 + 2,
        "children": 31,
        "unprocessed": 0,
    }


def test_a_limiter_lets_so_many_pass_in_a_while(run: Run) -> None:
    outcome = run("limiter")
    assert outcome["returned"] == list(range(7))
    took_ms = outcome["took"]
    assert isinstance(took_ms, int)
    # The seventh is the first of the third 200 ms. (Two processes read the clock.)
    assert took_ms >= 390


def test_schedulers_make_jobs_again_and_again(run: Run) -> None:
    assert run("schedulers") == {
        "names": ["tick"],
        "known": ["often", "yearly"],
        "removed": True,
        "left": 1,
        "next": True,
    }


def test_who_follows_the_events_is_told_of_each_step(run: Run) -> None:
    assert run("events") == {"told": ["added", "waiting", "active", "progress", "completed"]}


def test_a_queue_is_paused_cleaned_drained_and_obliterated(run: Run, server: ServerProcess) -> None:
    assert run("pause") == {
        "counts": {"waiting": 3, "active": 0, "completed": 0},
        "isPaused": True,
        "returned": [1, 2, 3],
        "cleaned": 2,
        "left": 1,
    }
    with server.connect() as client:
        client.call("SELECT", 1)
        assert client.call("KEYS", "*") == []


def test_another_worker_takes_what_a_dead_one_had(run: Run) -> None:
    assert run("stalled") == {"taken": True, "returned": "by another", "stalled": True}
