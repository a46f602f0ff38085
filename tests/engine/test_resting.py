"""What the engine gives back when nothing changes any more."""

from __future__ import annotations

import pytest

from dscache.errors import StoreError
from manual_workers import CountingStore, ScriptedEngine


class RestlessStore(CountingStore):
    """Counts how often it is told to rest, and says when it is done."""

    def __init__(self) -> None:
        super().__init__()
        self.rests = 0
        self.rests_needed = 1
        self.fails = False

    def rest(self) -> bool:
        """See ``Store.rest``."""
        self.rests += 1
        if self.fails:
            raise StoreError("made to fail by the test")
        return self.rests >= self.rests_needed


@pytest.fixture
def store() -> RestlessStore:
    return RestlessStore()


@pytest.fixture
def scripted(store: RestlessStore) -> ScriptedEngine:
    scripted = ScriptedEngine(store)
    scripted.run("SET", "k", "v")
    scripted.save()
    scripted.be_quiet()
    return scripted


def wait(scripted: ScriptedEngine, seconds: float = 6) -> None:
    """As if so much time had passed."""
    scripted.engine.flusher.committed_at -= seconds
    scripted.engine.resting._next -= seconds
    scripted.engine.tick()
    while scripted.workers.waiting_commits:
        scripted.commit()


def test_some_seconds_after_the_last_commit_the_store_rests_once(
    scripted: ScriptedEngine, store: RestlessStore
) -> None:
    scripted.engine.tick()
    scripted.be_quiet()
    assert store.rests == 0
    wait(scripted)
    wait(scripted)
    assert store.rests == 1
    scripted.run("SET", "k", "w")
    scripted.save()
    wait(scripted)
    assert store.rests == 2


def test_a_store_that_is_not_done_is_asked_again(
    scripted: ScriptedEngine, store: RestlessStore
) -> None:
    store.rests_needed = 3
    for _ in range(5):
        wait(scripted)
    assert store.rests == 3


def test_what_is_not_saved_yet_keeps_the_store_awake(
    scripted: ScriptedEngine, store: RestlessStore
) -> None:
    scripted.run("SET", "k", "w")
    scripted.engine.flusher.committed_at -= 6
    scripted.engine.resting.tick()
    assert store.rests == 0


def test_a_store_that_cannot_rest_is_left_alone_until_the_next_commit(
    scripted: ScriptedEngine, store: RestlessStore
) -> None:
    store.fails = True
    wait(scripted)
    wait(scripted)
    assert store.rests == 1
