"""The same commands go to dscache, whose keys keep going to disk and back, and to a real valkey-server.

Every reply must agree, and in the end the whole data set; ``differences`` says what may differ.
``make differential`` runs the long form, which must have compared 50,000 commands.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, note, settings

from differential.differences import same_reply
from differential.sequences import (
    DATABASES,
    EVICT,
    FLUSH,
    KEYS,
    RELOAD,
    Chunk,
    Command,
    sequences,
)
from raw_client import RawClient, Word
from serving import ServerProcess

pytestmark = pytest.mark.differential

IS_LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
LEAST_COMMANDS = 50_000 if IS_LONG else 1_000


class Pair:
    """Two connections to each server, and one to each for what is not compared."""

    def __init__(self, ours: tuple[str, int], theirs: tuple[str, int]) -> None:
        self.ours = [RawClient(ours), RawClient(ours)]
        self.theirs = [RawClient(theirs), RawClient(theirs)]
        self.control = [RawClient(ours), RawClient(theirs)]
        # What each client has queued in its transaction.
        self._queued: list[list[Command]] = [[], []]
        self.compared = 0

    def close(self) -> None:
        """Hang up."""
        for client in (*self.ours, *self.theirs, *self.control):
            client.close()

    def start_anew(self) -> None:
        """Empty both servers and forget all state of the connections."""
        self._queued = [[], []]
        for client in (*self.ours, *self.theirs):
            assert client.call("RESET") == b"RESET"
        for client in self.control:
            assert client.pipeline([("SELECT", 0), ("FLUSHALL",)]) == [b"OK", b"OK"]

    def run(self, chunk: Chunk) -> None:
        """Send a chunk to both and compare the replies."""
        self._use_disk(chunk.disk)
        commands = chunk.commands
        ours = self.ours[chunk.client].pipeline(commands)
        theirs = self.theirs[chunk.client].pipeline(commands)
        for number, (words, our, their) in enumerate(zip(commands, ours, theirs, strict=True)):
            assert self._same(chunk.client, words, our, their), (
                f"command {number} of {chunk}: {words}\n  dscache: {our!r}\n  valkey:  {their!r}"
            )
        self.compared += len(commands)

    def _same(self, client: int, words: Command, ours: object, theirs: object) -> bool:
        if ours == theirs == b"QUEUED":
            self._queued[client].append(words)
            return True
        name = str(words[0]).upper()
        queued = self._queued[client]
        if name in ("MULTI", "DISCARD", "RESET", "EXEC"):
            self._queued[client] = []
        if name != "EXEC" or not isinstance(ours, list) or not isinstance(theirs, list):
            return same_reply(words, ours, theirs)
        return len(ours) == len(theirs) == len(queued) and all(
            same_reply(one, our, their)
            for one, our, their in zip(queued, ours, theirs, strict=True)
        )

    def _use_disk(self, disk: str) -> None:
        control = self.control[0]
        if disk in (FLUSH, EVICT):
            assert control.call("CACHE", "FLUSH") == b"OK"
        if disk == EVICT:
            for database in range(DATABASES):
                control.call("SELECT", database)
                control.call("CACHE", "EVICT", *KEYS)
        if disk == RELOAD:
            assert control.call("DEBUG", "RELOAD") == b"OK"

    def compare_data_sets(self) -> None:
        """Compare everything: keys, values, types, expiry, and how many there are of each."""
        dumps = [list(_dump(client)) for client in self.control]
        for our, their in zip(*dumps, strict=True):
            assert _same_fact(our, their), f"dscache: {our}\nvalkey:  {their}"


def _dump(client: RawClient) -> Iterator[tuple[Word, ...]]:
    for database in range(DATABASES):
        client.call("SELECT", database)
        size = client.call("DBSIZE")
        assert isinstance(size, int)
        yield database, "DBSIZE", size
        keys = client.call("KEYS", "*")
        assert isinstance(keys, list)
        yield database, "number of keys", len(keys)
        for key in sorted(keys):
            replies = client.pipeline([(word, key) for word in ("TYPE", "GET", "PEXPIRETIME")])
            for name, reply in zip(("type", "value", "expiry"), replies, strict=True):
                assert isinstance(reply, bytes | int)
                yield database, key, name, reply
        info = client.call("INFO", "keyspace")
        assert isinstance(info, bytes)
        for line in info.splitlines():
            if line.startswith(b"db%d:" % database):
                yield database, "INFO", b",".join(line.split(b",")[:2])


def _same_fact(ours: tuple[Word, ...], theirs: tuple[Word, ...]) -> bool:
    if "expiry" in ours:
        return ours[:-1] == theirs[:-1] and same_reply(("PEXPIRETIME",), ours[-1], theirs[-1])
    return ours == theirs


@pytest.fixture(scope="module")
def pair(ours: ServerProcess, theirs: tuple[str, int]) -> Iterator[Pair]:
    """Connections to both servers."""
    pair = Pair(ours.address, theirs)
    yield pair
    pair.close()


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sequence=sequences)
def _compare(pair: Pair, sequence: list[Chunk]) -> None:
    pair.start_anew()
    for chunk in sequence:
        pair.run(chunk)
    for client in (*pair.ours, *pair.theirs):
        client.call("RESET")
    pair.compare_data_sets()
    # And once more, from disk.
    assert pair.control[0].call("DEBUG", "RELOAD") == b"OK"
    pair.compare_data_sets()


@pytest.mark.timeout(3600)
def test_every_reply_and_the_data_set_agree_with_valkey(pair: Pair) -> None:
    _compare(pair)
    note(f"{pair.compared} commands compared")
    assert pair.compared >= LEAST_COMMANDS
