"""How long commands took: from the end of the one before, where a client sends many at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dscache.clock import ManualClock
from dscache.engine.command import Command
from house import House

PING = b"*1\r\n$4\r\nPING\r\n"
ECHO = b"*2\r\n$4\r\nECHO\r\n$2000\r\n%b\r\n" % (b"x" * 2000)
UNKNOWN = b"*1\r\n$4\r\nGNIP\r\n"


def looks(clock: ManualClock) -> int:
    """How often it has been looked at, this time included: each look takes a second."""
    return int(clock.time() - 1_700_000_000.0)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(step=1.0)


@pytest.fixture
def house(clock: ManualClock) -> Iterator[House]:
    house = House(clock)
    for one in house.driver.engine.table.all():
        one.reset_statistics()
    yield house
    house.close()


def command(house: House, name: bytes) -> Command:
    found = house.driver.engine.table.get(name)
    assert found is not None
    return found


def test_a_pipeline_looks_at_the_clock_once_for_each_command(
    house: House, clock: ManualClock
) -> None:
    client = house.connect("client")
    before = looks(clock)
    client.data_received(5 * PING)
    assert looks(clock) == before + 6 + 1
    ping = command(house, b"ping")
    assert (ping.calls, ping.seconds) == (5, 5.0)


def test_the_time_between_two_batches_is_nobodys(house: House, clock: ManualClock) -> None:
    client = house.connect("client")
    client.data_received(PING)
    clock.advance(1000.0)
    client.data_received(PING)
    assert command(house, b"ping").seconds == 2.0


def test_the_time_before_a_batch_is_not_that_of_what_follows_a_refusal(
    house: House, clock: ManualClock
) -> None:
    client = house.connect("client")
    client.data_received(PING)
    clock.advance(1000.0)
    client.data_received(UNKNOWN + PING)
    assert command(house, b"ping").seconds == 2.0


def test_what_it_took_to_encode_a_long_reply_is_not_the_next_commands(
    house: House, clock: ManualClock
) -> None:
    client = house.connect("client")
    before = looks(clock)
    client.data_received(ECHO + PING)
    assert looks(clock) == before + 4 + 1, "once more than for two short ones"


def test_serving_those_who_were_blocked_is_not_the_next_commands(house: House) -> None:
    client, other = house.connect("client"), house.connect("other")
    house.driver.run("EXISTS", "l")  # so that memory knows that there is none
    other.data_received(b"*3\r\n$5\r\nBLPOP\r\n$1\r\nl\r\n$1\r\n0\r\n")
    client.data_received(b"*3\r\n$5\r\nRPUSH\r\n$1\r\nl\r\n$1\r\na\r\n" + PING)
    assert command(house, b"blpop").calls == 1
    ping = command(house, b"ping")
    assert (ping.calls, ping.seconds) == (1, 1.0)
