"""The same commands go to dscache, whose keys keep going to disk and back, and to a real valkey-server.

Every reply must agree, and in the end the whole data set; ``differences`` says what may differ.
``make differential`` runs the long form, which must have compared 50,000 commands.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from differential.acl_sequences import USERS
from differential.data_sets import first_difference, short
from differential.differences import same_reply
from differential.script_sequences import DUMPED
from differential.sequences import (
    CLIENTS,
    DATABASES,
    EVICT,
    FLUSH,
    GROUPS,
    KEYS,
    LEAVE,
    RELOAD,
    Chunk,
    Command,
    sequences_of,
)
from raw_client import RawClient, requests
from serving import ServerProcess

pytestmark = pytest.mark.differential

IS_LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
# Of each group.
LEAST_COMMANDS = 30_000 if IS_LONG else 1_000


HUNG_UP: Final = "the server has hung up"

#: What empties a server, sent by a user whom no sequence knows.
_CONTROL: Final = "control"
_AFRESH: Final[list[Command]] = [
    ("AUTH", _CONTROL, ""),
    ("ACL", "SETUSER", "default", "reset", "on", "nopass", "+@all", "~*", "&*"),
    ("ACL", "LOG", "RESET"),
    ("SELECT", 0),
    ("FLUSHALL",),
    ("SCRIPT", "FLUSH"),
    ("FUNCTION", "FLUSH"),
]


def _with_dump(commands: list[Command], control: RawClient) -> list[Command]:
    """``commands`` with the libraries of functions that their server has now, where they ask for them."""
    if not any(DUMPED in words for words in commands):
        return commands
    dump = control.call("FUNCTION", "DUMP")
    assert isinstance(dump, bytes)
    return [tuple(dump if word == DUMPED else word for word in words) for words in commands]


def _replies(client: RawClient, commands: list[Command]) -> list[object]:
    """The replies to ``commands``, of which those after the server has hung up are ``HUNG_UP``."""
    replies: list[object] = []
    try:
        client.send(requests(commands))
        while len(replies) < len(commands):
            replies.append(client.read())
    except (EOFError, ConnectionError):
        replies += [HUNG_UP] * (len(commands) - len(replies))
    return replies


class Pair:
    """Three connections to each server, and one to each for what is not compared."""

    def __init__(self, ours: tuple[str, int], theirs: tuple[str, int]) -> None:
        self.ours = [RawClient(ours) for _ in range(CLIENTS)]
        self.theirs = [RawClient(theirs) for _ in range(CLIENTS)]
        self.control = [RawClient(ours), RawClient(theirs)]
        # What each client has queued in its transaction.
        self._queued: list[list[Command]] = [[] for _ in range(CLIENTS)]
        self.compared = 0

    def close(self) -> None:
        """Hang up."""
        for client in (*self.ours, *self.theirs, *self.control):
            client.close()

    def start_anew(self) -> None:
        """Empty both servers and forget all state of the connections."""
        for client in self.control:
            client.call("ACL", "SETUSER", _CONTROL, "on", "nopass", "+@all", "~*", "&*")
            assert client.pipeline(_AFRESH) == [b"OK"] * len(_AFRESH)
            client.call("ACL", "DELUSER", *USERS)
        for number in range(CLIENTS):
            self._connect_again(number)

    def run(self, chunk: Chunk) -> None:
        """Send a chunk to both and compare the replies."""
        self._use_disk(chunk.disk)
        commands = chunk.commands
        ours = _replies(self.ours[chunk.client], _with_dump(commands, self.control[0]))
        theirs = _replies(self.theirs[chunk.client], _with_dump(commands, self.control[1]))
        for number, (words, our, their) in enumerate(zip(commands, ours, theirs, strict=True)):
            difference = self._difference(chunk.client, words, our, their)
            assert difference == "", f"command {number} of client {chunk.client}: {difference}"
        self.compared += len(commands)
        if HUNG_UP in ours:
            self._connect_again(chunk.client)

    def _connect_again(self, client: int) -> None:
        for clients, control in zip((self.ours, self.theirs), self.control, strict=True):
            clients[client].close()
            clients[client] = RawClient(control.address)
        self._queued[client] = []

    def _difference(self, client: int, words: Command, ours: object, theirs: object) -> str:
        """What is wrong, if anything."""
        if ours == theirs == b"QUEUED":
            self._queued[client].append(words)
            return ""
        name = str(words[0]).upper()
        queued = self._queued[client]
        if name in ("MULTI", "DISCARD", "RESET", "EXEC"):
            self._queued[client] = []
        pairs = [(words, ours, theirs)]
        if name == "EXEC" and isinstance(ours, list) and isinstance(theirs, list):
            assert len(ours) == len(theirs) == len(queued)
            pairs = list(zip(queued, ours, theirs, strict=True))
        return "".join(
            f"\n{short(command)}\n  dscache: {short(our)}\n  the peer: {short(their)}"
            for command, our, their in pairs
            if not same_reply(command, our, their)
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
        assert first_difference(self.control[0], self.control[1], DATABASES) == ""


@pytest.fixture(scope="module")
def pair(ours: ServerProcess, theirs: tuple[str, int]) -> Iterator[Pair]:
    """Connections to both servers."""
    pair = Pair(ours.address, theirs)
    yield pair
    pair.close()


@settings(max_examples=2500 if IS_LONG else 100, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def _compare(pair: Pair, group: str, data: st.DataObject) -> None:
    sequence = data.draw(sequences_of(group))
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
@pytest.mark.parametrize("group", GROUPS)
def test_every_reply_and_the_data_set_agree_with_valkey(pair: Pair, group: str) -> None:
    before = pair.compared
    _compare(pair, group)
    assert pair.compared - before >= LEAST_COMMANDS


def _wide_command(source: random.Random) -> Command:
    """A command on one or two of so many keys that memory does not hold them all."""
    key, other = (f"key{source.randrange(4000)}" for _ in range(2))
    value = str(source.randrange(10**6)) + "v" * source.choice([0, 10, 1000, 5000, 20_000])
    commands: list[Command] = [
        ("GET", key),
        ("GET", key),
        ("SET", key, value),
        ("SET", key, value, "KEEPTTL"),
        ("SET", key, value, "NX", "PXAT", 33177117420000),
        ("MSET", key, value, other, value),
        ("MSETNX", key, value, other, value),
        ("APPEND", key, value[:100]),
        ("SETRANGE", key, source.randrange(3000), value[:100]),
        ("GETDEL", key),
        ("INCR", "counter" + key),
        ("DEL", key, other),
        ("EXISTS", key, other),
        ("EXPIREAT", key, 33177117420),
        ("EXPIREAT", key, 1),
        ("PERSIST", key),
        ("RENAME", key, other),
        ("RENAMENX", key, other),
        ("COPY", key, other, "REPLACE"),
        ("MOVE", key, 1),
        ("SELECT", source.choice([0, 0, 0, 1])),
        ("STRLEN", key),
        ("PEXPIRETIME", key),
        ("DBSIZE",),
    ]
    return source.choice(commands)


@pytest.mark.timeout(3600)
def test_a_data_set_larger_than_memory_agrees_with_valkey(
    pair: Pair, ours: ServerProcess, pytestconfig: pytest.Config
) -> None:
    source = random.Random(pytestconfig.getoption("hypothesis_seed") or 1)
    pair.start_anew()
    ours.call("CONFIG", "RESETSTAT")
    before = pair.compared
    for database in (0, 1):
        filling: list[Command] = [("SELECT", database)]
        filling += [("SET", f"key{n}", f"{n}:" + "f" * 4000) for n in range(4000)]
        pair.run(Chunk(LEAVE, 0, filling))
    for _ in range(LEAST_COMMANDS // 100):
        commands = [_wide_command(source) for _ in range(100)]
        if source.randrange(3) == 0:
            commands = [("MULTI",), *commands, ("EXEC",)]
        pair.run(Chunk(LEAVE, source.randrange(2), commands))
    assert pair.compared - before > LEAST_COMMANDS
    pair.compare_data_sets()
    assert ours.figure("cache_evicted") > 1000
