"""kill -9 under load: what is on disk is the outcome of some first part of what was carried out.

Clients send transactions and scripts to a server whose data set does not fit into its memory, until it
is killed. Started again it must hold exactly what a real valkey-server holds after the same units in
the same order up to some place: no part of a unit, nothing out of order, and at least what
CACHE FLUSH and the durability mode had promised. Then the next round begins with what is there.

``make crash`` runs more rounds, from a seed that is drawn and shown: DSCACHE_CRASH_ROUNDS and
DSCACHE_CRASH_SEED say how many and from which.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from random import Random
from typing import Final

import pytest

from crashes.load import Load
from crashes.units import DATABASES, HISTORY, HISTORY_DATABASE, Unit
from differential.data_sets import first_difference, short
from differential.differences import same_reply
from raw_client import RawClient
from serving import ServerProcess, StartServer, until
from valkey_server import running_valkey

#: For each mode.
ROUNDS: Final = int(os.environ.get("DSCACHE_CRASH_ROUNDS", "1"))
SEED: Final = int(os.environ.get("DSCACHE_CRASH_SEED", "1"))

#: The modes: directives, and how many seconds of what was acknowledged a killed server may lose. Those are
#: generous, because a busy machine may stop the server itself for a while; what is usual is logged.
MODES: Final[dict[str, tuple[dict[str, str], float]]] = {
    "always": ({"appendfsync": "always", "cache_flush_delay": "0.1"}, 0.0),
    "everysec": ({"appendfsync": "everysec", "cache_flush_delay": "1"}, 2.0),
    "no": ({"appendfsync": "no", "cache_flush_delay": "3600"}, 2.0),
    "no log, 0.01": ({"appendonly": "no", "cache_flush_delay": "0.01"}, 3.0),
    "no log, 0.1": ({"appendonly": "no", "cache_flush_delay": "0.1"}, 3.0),
    "no log, 1": ({"appendonly": "no", "cache_flush_delay": "1"}, 4.0),
}

# After so many rounds a data directory is given up for a new one.
_ROUNDS_PER_DIRECTORY: Final = 10
_UNITS_AT_ONCE: Final = 50

_logger: Final = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawClient]:
    """A connection to a valkey-server, into which histories are replayed."""
    with (
        running_valkey(tmp_path_factory.mktemp("peer")) as address,
        RawClient(address) as client,
    ):
        yield client


def _begin(client: RawClient) -> None:
    """Let a new history begin."""
    assert client.call("SELECT", HISTORY_DATABASE) == b"OK"
    client.call("DEL", HISTORY)


def _kill_under_load(server: ServerProcess, seed: str) -> Load:
    """Let clients work, kill the server at some moment, and start it again."""
    source = Random(seed)
    with server.connect() as client:
        _begin(client)
        assert client.call("CACHE", "FLUSH") == b"OK"
    load = Load(server.address, seed)
    enough = source.randrange(20, 400)
    until(lambda: load.highest >= enough or load.has_failed, "the clients are at work")
    # Any moment will do: in the middle of a commit, or between two.
    time.sleep(source.random() * 0.1)
    server.kill()
    load.join()
    if source.randrange(4) == 0:
        # Once more, while it starts.
        server.spawn()
        time.sleep(source.random())
        server.kill()
    server.start()
    return load


def _units_on_disk(client: RawClient, load: Load) -> list[Unit]:
    """What must be on disk, in order, by what is there of the history."""
    assert client.call("SELECT", HISTORY_DATABASE) == b"OK"
    names = client.call("LRANGE", HISTORY, 0, -1)
    assert isinstance(names, list)
    assert len(names) >= load.flushed, "what CACHE FLUSH promised is lost"
    units = [load.sent[name.decode()] for name in names]
    # A client's units are carried out in the order in which it sent them, each once.
    for prefix in {unit.name.partition(":")[0] for unit in units}:
        own = [unit.name for unit in units if unit.name.startswith(f"{prefix}:")]
        assert own == [f"{prefix}:{n}" for n in range(len(own))]
    for place, unit in enumerate(units, 1):
        if place in load.acknowledged:
            assert load.acknowledged[place].unit.name == unit.name
    return units


def _replay(peer: RawClient, units: list[Unit], load: Load) -> None:
    """Give the peer the units; what was answered then must be what it answers."""
    _begin(peer)
    for first in range(0, len(units), _UNITS_AT_ONCE):
        batch = units[first : first + _UNITS_AT_ONCE]
        received = peer.pipeline([words for unit in batch for words in unit.requests()])
        at = 0
        for place, unit in enumerate(batch, first + 1):
            count = len(unit.requests())
            their_place, theirs = unit.replies(received[at : at + count])
            at += count
            assert their_place == place
            known = load.acknowledged.get(place)
            if known is None:
                continue
            for words, our, their in zip(unit.commands, known.replies, theirs, strict=True):
                difference = f"{short(words)}\ndscache: {short(our)}\nthe peer: {short(their)}"
                assert same_reply(words, our, their), f"{unit.name}: {difference}"


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mode", MODES)
def test_a_killed_server_has_carried_out_a_first_part_of_what_it_was_told(
    start_server: StartServer, peer: RawClient, mode: str
) -> None:
    directives, lost_seconds = MODES[mode]
    for first in range(0, ROUNDS, _ROUNDS_PER_DIRECTORY):
        # With the smallest memory it is mostly pressure that cuts epochs, with more of it time.
        maxmemory = Random(f"{SEED}-{first}-{mode}").choice(["8mb", "64mb"])
        server = start_server(maxmemory=maxmemory, databases=DATABASES, **directives)
        assert peer.call("FLUSHALL") == b"OK"
        for number in range(first, min(first + _ROUNDS_PER_DIRECTORY, ROUNDS)):
            lost = _run_round(server, peer, f"{SEED}-{number}-{mode}")
            assert lost <= lost_seconds
        server.stop()


def _run_round(server: ServerProcess, peer: RawClient, seed: str) -> float:
    """How many seconds of what was acknowledged are lost."""
    load = _kill_under_load(server, seed)
    with server.connect() as client:
        units = _units_on_disk(client, load)
        _replay(peer, units, load)
        difference = first_difference(client, peer, DATABASES)
        assert not difference, f"seed {seed}: {difference}"
    lost = [known.at for place, known in load.acknowledged.items() if place > len(units)]
    lost_seconds = load.ended_at - min(lost, default=load.ended_at)
    _logger.info(
        "seed %s: %d units acknowledged, %d promised, %d on disk; %.3f s lost",
        seed,
        load.highest,
        load.flushed,
        len(units),
        lost_seconds,
    )
    return lost_seconds
