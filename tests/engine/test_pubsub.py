"""Subscriptions and messages, without commands."""

from __future__ import annotations

import random
from collections.abc import Iterator
from fnmatch import fnmatchcase

import pytest

from driver import Driver
from dscache.engine.pubsub import PubSub, Subscriptions
from dscache.engine.session import Session
from dscache.wire.reply import Message


@pytest.fixture
def driver() -> Iterator[Driver]:
    """An engine."""
    driver = Driver()
    yield driver
    driver.close()


def listening(driver: Driver) -> tuple[Session, list[list[bytes]]]:
    """A session and the messages that it gets."""
    session = driver.new_session()
    got: list[list[bytes]] = []

    def take(message: object) -> None:
        assert isinstance(message, Message)
        got.append(message.items)

    session.push = take
    return session, got


def test_messages_go_to_subscribers_in_order_and_then_to_patterns(driver: Driver) -> None:
    pubsub = driver.engine.pubsub
    session, got = listening(driver)
    for kind, name in (
        (pubsub.patterns, b"n*"),
        (pubsub.channels, b"news"),
        (pubsub.patterns, b"*s"),
        (pubsub.patterns, b"old*"),
        (pubsub.shard_channels, b"news"),
    ):
        pubsub.add(kind, session, name)
    assert pubsub.publish(b"news", b"x") == 3
    assert got == [
        [b"message", b"news", b"x"],
        [b"pmessage", b"n*", b"news", b"x"],
        [b"pmessage", b"*s", b"news", b"x"],
    ]
    got.clear()
    assert pubsub.publish_to_shard(b"news", b"y") == 1
    assert got == [[b"smessage", b"news", b"y"]]


def test_nothing_is_left_when_all_have_gone(driver: Driver) -> None:
    pubsub = driver.engine.pubsub
    sessions = [listening(driver)[0] for _ in range(3)]
    for session in sessions:
        for kind in (pubsub.channels, pubsub.patterns, pubsub.shard_channels):
            for name in (b"a", b"b"):
                pubsub.add(kind, session, name)
    assert pubsub.clients == 3
    assert pubsub.has_listeners
    driver.engine.end_session(sessions[0])
    assert pubsub.clients == 2
    assert pubsub.publish(b"a", b"x") == 4
    for session in sessions:
        pubsub.leave(session)
        assert not session.is_subscriber
    assert pubsub.publish(b"a", b"x") == 0
    check_empty(pubsub, sessions[0])


def check_empty(pubsub: PubSub, session: Session) -> None:
    """Nobody is subscribed to anything."""
    assert pubsub.clients == 0
    assert not pubsub.has_listeners
    for kind in (pubsub.channels, pubsub.patterns, pubsub.shard_channels):
        assert not kind.subscribers
        assert kind.names_of(session) == []


def test_a_message_is_encoded_once(driver: Driver) -> None:
    pubsub = driver.engine.pubsub
    got: list[object] = []
    for _ in range(3):
        session = driver.new_session()
        session.push = got.append
        pubsub.add(pubsub.channels, session, b"c")
    assert pubsub.publish(b"c", b"x") == 3
    assert len({id(message) for message in got}) == 1


def test_subscriptions_agree_with_a_model(driver: Driver) -> None:
    chance = random.Random(7)
    pubsub = PubSub()
    listeners = [listening(driver) for _ in range(5)]
    model: set[tuple[str, int, bytes]] = set()
    kinds: dict[str, Subscriptions] = {
        "channel": pubsub.channels,
        "pattern": pubsub.patterns,
        "shard": pubsub.shard_channels,
    }
    names = [b"a", b"b", b"ab", b"a*", b"*", b"[ab]"]
    for _ in range(3000):
        kind = chance.choice(list(kinds))
        number = chance.randrange(len(listeners))
        session = listeners[number][0]
        name = chance.choice(names)
        step = chance.random()
        if step < 0.4:
            pubsub.add(kinds[kind], session, name)
            model.add((kind, number, name))
        elif step < 0.75:
            pubsub.remove(kinds[kind], session, name)
            model.discard((kind, number, name))
        elif step < 0.78:
            pubsub.leave(session)
            model = {one for one in model if one[1] != number}
        else:
            check_publish(pubsub, model, listeners, name)
        subscribed = {number for _, number, _ in model}
        assert pubsub.clients == len(subscribed)
        for number, (session, _) in enumerate(listeners):
            assert session.is_subscriber == (number in subscribed)
            for kind, table in kinds.items():
                mine = {name for k, n, name in model if (k, n) == (kind, number)}
                assert set(table.names_of(session)) == mine
                assert table.count_of(session) == len(mine)
    for kind, table in kinds.items():
        wanted = {name for k, _, name in model if k == kind}
        assert set(table.subscribers) == wanted
        assert set(table.matching(b"a*")) == {name for name in wanted if name.startswith(b"a")}


def check_publish(
    pubsub: PubSub,
    model: set[tuple[str, int, bytes]],
    listeners: list[tuple[Session, list[list[bytes]]]],
    channel: bytes,
) -> None:
    """Each copy arrives, and no other."""
    wanted = {
        number: sum(
            (kind, name) == ("channel", channel)
            or (kind == "pattern" and fnmatchcase(channel.decode(), name.decode()))
            for kind, n, name in model
            if n == number
        )
        for number in range(len(listeners))
    }
    for _, got in listeners:
        got.clear()
    assert pubsub.publish(channel, b"x") == sum(wanted.values())
    assert {number: len(got) for number, (_, got) in enumerate(listeners)} == wanted


def test_a_message_to_a_session_whose_command_runs_waits_for_its_reply(driver: Driver) -> None:
    session = driver.new_session()
    sent: list[object] = []
    session.push = sent.append
    session.tell("before")
    driver.engine.execute(session, [b"PING"])
    session.tell("within")
    session.tell("and more")
    assert sent == ["before"]
    session.reply_sent()
    session.tell("after")
    assert sent == ["before", "within", "and more", "after"]


def test_a_suspended_command_holds_no_messages_back(driver: Driver) -> None:
    driver.run("SET", "k", "v")
    driver.evict_all()
    session = driver.new_session()
    sent: list[object] = []
    session.push = sent.append
    replies = driver.start("GET", "k", session=session)
    assert not replies
    session.tell("at once")
    assert sent == ["at once"]
    driver.turn_until(lambda: bool(replies))
