"""A cache of what a language model answers, far larger than memory, inside the program.

    python3 examples/answer_cache.py            # 16 MB of memory, ten times as much data
    python3 examples/answer_cache.py --times 3 --directory answers

No server is needed; `dscache serve --port 7000 --dir answers` serves afterwards what the program has written.

Why dscache: answers and embeddings cost money or seconds each and are asked for again for months, so the
cache wants to be as large as the disk, and the program's memory stays what it was.

What to look at: the second pass asks the model nothing, though memory has a tenth of the answers;
with --directory, nor does the first pass of the next run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import tempfile
import time
from array import array
from collections.abc import Callable
from datetime import timedelta
from typing import TypeAlias

import redis

import dscache

#: What a model is told beside the prompt: temperature, max_tokens and the like.
Parameter: TypeAlias = str | int | float | bool | None
Generate: TypeAlias = Callable[..., str]
Embed: TypeAlias = "Callable[[str], array[float]]"


class AnswerCache:
    """Remembers what the model called ``model`` has answered, for ``keep``, or for ever.

    A prompt that is asked with other parameters, or of another model, is another question. ``db`` does not
    decode responses. What raises an exception is not remembered.
    """

    def __init__(self, db: redis.Redis, model: str, keep: timedelta | None = None) -> None:
        self._db = db
        self._model = model
        self._keep = keep
        self.hits = 0
        self.misses = 0

    def answer(self, generate: Generate, prompt: str, **parameters: Parameter) -> str:
        """``generate(prompt, **parameters)``, unless its answer is known."""
        key = self._key("answer", prompt, parameters)
        return self._remember(key, lambda: generate(prompt, **parameters).encode()).decode()

    def embedding(self, embed: Embed, text: str) -> array[float]:
        """``embed(text)``, unless it is known; an array of float32, in four bytes each."""
        key = self._key("embedding", text, {})
        return array("f", self._remember(key, lambda: array("f", embed(text)).tobytes()))

    def _key(self, kind: str, prompt: str, parameters: dict[str, Parameter]) -> str:
        question = json.dumps([self._model, prompt, parameters], sort_keys=True)
        return f"{kind}:{hashlib.sha256(question.encode()).hexdigest()}"

    def _remember(self, key: str, ask: Callable[[], bytes]) -> bytes:
        found = self._db.get(key)
        if isinstance(found, bytes):
            self.hits += 1
            return found
        self.misses += 1
        asked = ask()
        self._db.set(key, asked, ex=self._keep)
        return asked


# A stand-in for a model, which answers the same question the same way and is never down.


def pretend_to_answer(prompt: str, temperature: float) -> str:
    """Two kilobytes of something."""
    words = random.Random(f"{prompt} {temperature}").choices(prompt.split(), k=300)
    return " ".join(words)


def pretend_to_embed(text: str) -> array[float]:
    """A vector of 3072 numbers."""
    return array("f", array("b", hashlib.shake_256(text.encode()).digest(3072)))


def fill(db: redis.Redis, data_bytes: int) -> AnswerCache:
    """Ask so many questions that there are ``data_bytes`` of answers; the cache that has them."""
    cache = AnswerCache(db, "pretender-1", keep=timedelta(days=90))
    asked = stored = 0
    while stored < data_bytes:
        prompt = f"What is known about question number {asked}?"
        stored += len(cache.answer(pretend_to_answer, prompt, temperature=0.2))
        vector = cache.embedding(pretend_to_embed, prompt)
        stored += len(vector) * vector.itemsize
        asked += 1
    return cache


def report(db: redis.Redis, cache: AnswerCache, seconds: float) -> None:
    """Print how the cache did, and what it takes."""
    info = db.info("everything")
    print(f"  {cache.hits} hits, {cache.misses} misses, in {seconds:.1f} s")
    print(f"  {info['cache_resident_keys']} of {db.dbsize()} answers are in memory")
    print(f"  {info['used_memory_human']} of {info['maxmemory_human']} memory", end="")
    print(f", {info['store_size_bytes'] / 2**20:.0f} MB on disk")


def main() -> None:
    """Fill the cache with a multiple of its memory, twice."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--times", type=int, default=10, help="how many times its memory (%(default)s)"
    )
    parser.add_argument("--directory", help="where to keep the answers (a temporary place)")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as temporary,
        dscache.open(given.directory or temporary, maxmemory="16mb") as db,
    ):
        for title in ("First pass", "Second pass"):
            print(title)
            start = time.monotonic()
            cache = fill(db, given.times * 16 * 2**20)
            report(db, cache, time.monotonic() - start)


if __name__ == "__main__":
    main()
