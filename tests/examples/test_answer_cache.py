"""examples/answer_cache.py, which has its data set to itself."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis

import dscache
from answer_cache import AnswerCache, fill

MEMORY_BYTES = 16 * 2**20


@pytest.fixture
def db(tmp_path: Path) -> Iterator[redis.Redis]:
    """A small data set."""
    with dscache.open(tmp_path / "data", maxmemory=MEMORY_BYTES) as client:
        yield client


class Model:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def answer(self, prompt: str, **parameters: object) -> str:
        self.asked += 1
        return f"{prompt}{sorted(parameters.items())}é"

    def embed(self, text: str) -> array[float]:
        self.asked += 1
        return array("f", [len(text), 0.5, -1e30])


def test_each_question_is_asked_once(db: redis.Redis) -> None:
    model = Model()
    cache = AnswerCache(db, "model")
    answers = [
        {
            cache.answer(model.answer, "why?"),
            cache.answer(model.answer, "why?", temperature=0.5, seed=1),
            cache.answer(model.answer, "why?", seed=1, temperature=0.5),
            cache.answer(model.answer, "why?", temperature=1),
            cache.answer(model.answer, "how?"),
        }
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert len(answers[0]) == 4
    assert "why?[]é" in answers[0]
    assert (cache.hits, cache.misses, model.asked) == (6, 4, 4)
    AnswerCache(db, "other model").answer(model.answer, "why?")
    assert model.asked == 5


def test_embeddings_come_back_as_they_were(db: redis.Redis) -> None:
    model = Model()
    cache = AnswerCache(db, "model")
    cache.answer(model.answer, "text")
    fresh, known = (cache.embedding(model.embed, "text") for _ in range(2))
    assert fresh == known == array("f", [4, 0.5, -1e30])
    assert (cache.hits, cache.misses, model.asked) == (1, 2, 2)
    assert sorted(db.strlen(key) for key in db.scan_iter()) == [len("text[]é".encode()), 3 * 4]


def test_answers_are_kept_as_long_as_is_said(db: redis.Redis) -> None:
    model = Model()
    AnswerCache(db, "model").answer(model.answer, "for ever")
    (for_ever,) = db.keys()
    assert db.ttl(for_ever) == -1
    db.unlink(for_ever)
    AnswerCache(db, "model", keep=timedelta(hours=1)).answer(model.answer, "for an hour")
    (for_an_hour,) = db.keys()
    assert 0 < db.ttl(for_an_hour) <= 3600


def test_a_model_that_fails_is_asked_again(db: redis.Redis) -> None:
    def fail(prompt: str) -> str:
        raise TimeoutError(prompt)

    cache = AnswerCache(db, "model")
    with pytest.raises(TimeoutError):
        cache.answer(fail, "why?")
    assert cache.answer(Model().answer, "why?") == "why?[]é"


def test_answers_outgrow_memory_and_none_is_asked_for_twice(db: redis.Redis) -> None:
    model = Model()
    cache = AnswerCache(db, "model")
    for _ in range(2):
        for n in range(300):
            answer = cache.answer(lambda prompt: model.answer(prompt) * 10_000, f"{n:03}")
            assert answer == f"{n:03}[]é" * 10_000
    assert model.asked == cache.hits == 300
    info = db.info("everything")
    assert sum(db.strlen(key) for key in db.scan_iter()) > MEMORY_BYTES
    assert info["used_memory"] <= MEMORY_BYTES
    assert info["cache_resident_keys"] < db.dbsize() == 300


def test_the_demonstration_asks_nothing_in_its_second_pass(db: redis.Redis) -> None:
    first, second = (fill(db, 1_000_000) for _ in range(2))
    assert (first.hits, second.misses) == (0, 0)
    assert first.misses == second.hits == db.dbsize() > 100
