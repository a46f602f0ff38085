"""When replies go out: at the end of the event loop's turn, those of all connections together."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dscache.server.clients import Clients
from dscache.server.connection import Connection
from dscache.server.outbox import Outbox, at_once
from house import House

PING = b"*1\r\n$4\r\nPING\r\n"
PONG = b"+PONG\r\n"
LARGE = b"x" * 100_000


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    house.close()


def set_large(connection: Connection) -> None:
    connection.data_received(
        b"*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$%d\r\n%b\r\n" % (len(LARGE), LARGE)
    )


GET_LARGE = b"*2\r\n$3\r\nGET\r\n$5\r\nlarge\r\n"


def test_replies_go_out_once_all_clients_have_been_heard(house: House) -> None:
    first, second = house.connect("first"), house.connect("second")
    first.data_received(PING)
    second.data_received(PING)
    assert house.sent == []
    house.turns.end()
    assert house.sent == [("first", PONG), ("second", PONG)]


def test_a_turn_without_replies_ends_without_a_call(house: House) -> None:
    first = house.connect("first")
    first.data_received(PING[:5])
    assert house.turns.calls == []


def test_a_client_heard_twice_in_a_turn_gets_its_replies_in_one_piece(house: House) -> None:
    first = house.connect("first")
    first.data_received(PING)
    first.data_received(PING + PING)
    house.turns.end()
    assert house.sent == [("first", 3 * PONG)]


def test_each_turn_sends_what_it_has(house: House) -> None:
    first = house.connect("first")
    for _ in range(2):
        first.data_received(PING)
        assert len(house.turns.calls) == 1
        house.turns.end()
    assert house.sent == 2 * [("first", PONG)]


def test_many_bytes_of_replies_do_not_wait_for_the_end_of_the_turn(house: House) -> None:
    names = ["first", "second", "third", "fourth"]
    connections = [house.connect(name) for name in names]
    set_large(connections[0])
    house.turns.end()
    house.sent.clear()
    for connection in connections[:2]:
        connection.data_received(GET_LARGE)
    assert house.sent == []
    connections[2].data_received(GET_LARGE)  # with this one there are more than 256 KB
    assert [name for name, _ in house.sent] == names[:3]
    connections[3].data_received(PING)
    house.turns.end()
    assert house.sent[3:] == [("fourth", PONG)]


def test_what_a_client_gets_beside_its_replies_counts_as_they_do(house: House) -> None:
    subscriber, publisher = house.connect("subscriber"), house.connect("publisher")
    subscriber.data_received(b"*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\nnews\r\n")
    house.turns.end()
    house.sent.clear()
    publish = b"*3\r\n$7\r\nPUBLISH\r\n$4\r\nnews\r\n$%d\r\n%b\r\n" % (len(LARGE), LARGE)
    publisher.data_received(publish)
    publisher.data_received(publish)
    assert house.sent == []
    publisher.data_received(publish)
    name, data = house.sent[0]
    assert name == "subscriber"
    assert data.count(LARGE) == 3


def test_who_hangs_up_before_the_end_of_the_turn_keeps_nobody_from_a_reply(house: House) -> None:
    first, second = house.connect("first"), house.connect("second")
    first.data_received(PING)
    second.data_received(PING)
    first.connection_lost(None)
    house.turns.end()
    assert house.sent == [("second", PONG)]


def test_who_stops_sending_in_the_same_turn_gets_the_replies(house: House) -> None:
    first = house.connect("first")
    first.data_received(PING)
    first.eof_received()
    assert house.sent == [("first", PONG)]


def test_who_quits_gets_the_replies_before_the_connection_ends(house: House) -> None:
    first = house.connect("first")
    first.data_received(PING)
    first.data_received(b"*1\r\n$4\r\nQUIT\r\n")
    assert house.sent == [("first", PONG + b"+OK\r\n")]
    house.turns.end()
    assert len(house.sent) == 1


def test_where_turns_are_those_of_one_client_replies_are_sent_at_once(house: House) -> None:
    alone = house.connect("alone", Clients(house.driver.engine, Outbox(at_once)))
    alone.data_received(PING)
    alone.data_received(PING)
    assert house.sent == 2 * [("alone", PONG)]


def test_replies_can_be_sent_before_the_turn_ends_as_while_a_script_is_slow(house: House) -> None:
    first, second = house.connect("first"), house.connect("second")
    first.data_received(PING)
    house.clients.outbox.send()
    assert house.sent == [("first", PONG)]
    second.data_received(PING)
    house.turns.end()
    assert house.sent[1:] == [("second", PONG)]
