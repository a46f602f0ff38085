"""SUBSCRIBE, PUBLISH, PUBSUB and what being subscribed means for a connection."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from driver import Driver
from dscache.engine.session import Session
from dscache.wire.reply import Message, Several, Verbatim

ALLOWED = (
    b"only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
)


class Subscriber:
    """One more client; ``heard`` are its messages."""

    def __init__(self, driver: Driver, resp: int = 2) -> None:
        self.driver = driver
        self.session: Session = driver.new_session()
        self.session.resp = resp
        self.session.push = self._take
        self.session.close = lambda: None
        self.heard: list[list[bytes]] = []

    def _take(self, message: object) -> None:
        assert isinstance(message, Message)
        self.heard.append(message.items)

    def __call__(self, *words: str | bytes | int) -> object:
        """The reply; confirmations as a list of lists."""
        reply = self.driver.run(*words, session=self.session)
        if isinstance(reply, Several):
            return [push.items for push in reply.replies]
        return reply

    def field(self, name: str) -> str:
        """A field of its line in CLIENT LIST."""
        listed = self.driver.run("CLIENT", "LIST", "ID", self.session.number)
        assert isinstance(listed, Verbatim)
        fields = dict(part.split("=", 1) for part in listed.text.decode().split())
        return fields[name]


@pytest.fixture
def driver() -> Iterator[Driver]:
    """An engine; its first session publishes."""
    driver = Driver()
    yield driver
    driver.close()


@pytest.fixture
def client(driver: Driver) -> Subscriber:
    """A RESP2 subscriber."""
    return Subscriber(driver)


# Subscribing


def test_each_channel_is_confirmed_with_the_number_of_subscriptions(client: Subscriber) -> None:
    assert client("SUBSCRIBE", "a", "b", "a") == [
        [b"subscribe", b"a", 1],
        [b"subscribe", b"b", 2],
        [b"subscribe", b"a", 2],
    ]
    assert client("PSUBSCRIBE", "a*") == [[b"psubscribe", b"a*", 3]]
    assert client("SSUBSCRIBE", "a", "c") == [[b"ssubscribe", b"a", 1], [b"ssubscribe", b"c", 2]]
    assert client("UNSUBSCRIBE", "b", "none") == [
        [b"unsubscribe", b"b", 2],
        [b"unsubscribe", b"none", 2],
    ]
    assert client("PUNSUBSCRIBE", "a*") == [[b"punsubscribe", b"a*", 1]]
    assert client("SUNSUBSCRIBE", "a") == [[b"sunsubscribe", b"a", 1]]
    assert client("UNSUBSCRIBE", "a") == [[b"unsubscribe", b"a", 0]]
    assert client("SUNSUBSCRIBE", "c") == [[b"sunsubscribe", b"c", 0]]


@pytest.mark.parametrize("prefix", ["", "P", "S"])
def test_without_arguments_all_of_the_kind_are_ended(client: Subscriber, prefix: str) -> None:
    word = f"{prefix}UNSUBSCRIBE"
    lower = word.lower().encode()
    assert client(word) == [[lower, None, 0]]
    client(f"{prefix}SUBSCRIBE", "a", "b")
    assert client(word) == [[lower, b"a", 1], [lower, b"b", 0]]
    assert client(word) == [[lower, None, 0]]


def test_the_empty_answer_counts_the_subscriptions_of_other_kinds(client: Subscriber) -> None:
    client("PSUBSCRIBE", "*")
    assert client("UNSUBSCRIBE") == [[b"unsubscribe", None, 1]]
    client("SSUBSCRIBE", "x")
    assert client("SUNSUBSCRIBE", "y") == [[b"sunsubscribe", b"y", 1]]


def test_publish_reaches_channels_and_patterns_and_counts_copies(
    driver: Driver, client: Subscriber
) -> None:
    other = Subscriber(driver)
    client("SUBSCRIBE", "news")
    client("PSUBSCRIBE", "n?ws", "x*")
    other("PSUBSCRIBE", "n?ws")
    other("SSUBSCRIBE", "news")
    assert driver.run("PUBLISH", "news", "hello") == 3
    assert client.heard == [
        [b"message", b"news", b"hello"],
        [b"pmessage", b"n?ws", b"news", b"hello"],
    ]
    assert other.heard == [[b"pmessage", b"n?ws", b"news", b"hello"]]
    assert driver.run("SPUBLISH", "news", "shard") == 1
    assert other.heard[1:] == [[b"smessage", b"news", b"shard"]]
    assert driver.run("PUBLISH", "none", "x") == 0
    assert driver.run("SPUBLISH", "none", "x") == 0


def test_channels_know_no_databases(driver: Driver, client: Subscriber) -> None:
    client("SUBSCRIBE", "c")
    driver.run("SELECT", "3")
    assert driver.run("PUBLISH", "c", "x") == 1


def test_binary_names_and_messages_are_taken_as_they_are(
    driver: Driver, client: Subscriber
) -> None:
    client("SUBSCRIBE", b"\0\r\n\xff")
    driver.run("PUBLISH", b"\0\r\n\xff", b"")
    assert client.heard == [[b"message", b"\0\r\n\xff", b""]]


# What a subscriber may do


def test_a_resp2_subscriber_may_do_little_else(client: Subscriber) -> None:
    client("SUBSCRIBE", "a")
    assert client("GET", "k") == b"-ERR Can't execute 'get': " + ALLOWED
    assert client("CLIENT", "LIST") == b"-ERR Can't execute 'client|list': " + ALLOWED
    assert client("PUBLISH", "a", "x") == b"-ERR Can't execute 'publish': " + ALLOWED
    assert client("MULTI") == b"-ERR Can't execute 'multi': " + ALLOWED
    assert client("HELLO", "3") == b"-ERR Can't execute 'hello': " + ALLOWED
    assert client("NOPE") == b"-ERR unknown command 'NOPE', with args beginning with: "
    assert client("GET") == b"-ERR wrong number of arguments for 'get' command"
    client("UNSUBSCRIBE")
    assert client("GET", "k") is None


@pytest.mark.parametrize("prefix", ["", "P", "S"])
def test_any_kind_of_subscription_restricts(client: Subscriber, prefix: str) -> None:
    client(f"{prefix}SUBSCRIBE", "a")
    assert client("GET", "k") == b"-ERR Can't execute 'get': " + ALLOWED
    client(f"{prefix}UNSUBSCRIBE")
    assert client("GET", "k") is None


def test_ping_answers_a_resp2_subscriber_in_the_form_of_a_message(client: Subscriber) -> None:
    assert client("PING") == b"PONG"
    client("SUBSCRIBE", "a")
    assert client("PING") == [b"pong", b""]
    assert client("PING", "x") == [b"pong", b"x"]
    assert client("PING", "x", "y") == b"-ERR wrong number of arguments for 'ping' command"
    client("UNSUBSCRIBE")
    assert client("PING") == b"PONG"


def test_a_resp3_subscriber_may_do_anything(driver: Driver) -> None:
    client = Subscriber(driver, resp=3)
    client("SUBSCRIBE", "a")
    assert client("PING") == b"PONG"
    assert client("SET", "k", "v") == b"OK"
    assert client("PUBLISH", "a", "x") == 1
    assert client.heard == [[b"message", b"a", b"x"]]


def test_quit_is_allowed(client: Subscriber) -> None:
    client("SUBSCRIBE", "a")
    assert client("QUIT") == b"OK"
    assert client.session.is_closing


def test_reset_ends_all_subscriptions(driver: Driver, client: Subscriber) -> None:
    client("SUBSCRIBE", "a")
    client("PSUBSCRIBE", "a")
    client("SSUBSCRIBE", "a")
    assert client("RESET") == b"RESET"
    assert client("GET", "k") is None
    assert driver.run("PUBLISH", "a", "x") == 0
    assert driver.engine.pubsub.clients == 0


def test_the_end_of_a_client_ends_its_subscriptions(driver: Driver, client: Subscriber) -> None:
    client("SUBSCRIBE", "a")
    driver.engine.end_session(client.session)
    assert driver.run("PUBLISH", "a", "x") == 0


# Transactions


def test_subscribing_in_a_transaction(driver: Driver, client: Subscriber) -> None:
    client("MULTI")
    client("SUBSCRIBE", "a", "b")
    client("PUBLISH", "a", "x")
    client("PING")
    client("SSUBSCRIBE", "a")
    replies = client("EXEC")
    assert isinstance(replies, list)
    assert isinstance(replies[0], Several)
    assert [push.items for push in replies[0].replies] == [
        [b"subscribe", b"a", 1],
        [b"subscribe", b"b", 2],
    ]
    assert replies[1] == 1
    assert replies[2] == [b"pong", b""]
    assert replies[3].text == b"ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"
    assert client.heard == [[b"message", b"a", b"x"]]
    assert client("GET", "k") == b"-ERR Can't execute 'get': " + ALLOWED


# Being asked about


def test_pubsub_names_channels(driver: Driver, client: Subscriber) -> None:
    assert driver.run("PUBSUB", "CHANNELS") == []
    client("SUBSCRIBE", "a", "ab", "b")
    client("SSUBSCRIBE", "s", "t")
    client("PSUBSCRIBE", "p*")
    assert driver.run("PUBSUB", "CHANNELS") == [b"a", b"ab", b"b"]
    assert driver.run("pubsub", "channels", "a*") == [b"a", b"ab"]
    assert driver.run("PUBSUB", "SHARDCHANNELS") == [b"s", b"t"]
    assert driver.run("PUBSUB", "SHARDCHANNELS", "[t]") == [b"t"]


def test_pubsub_counts_subscribers(driver: Driver, client: Subscriber) -> None:
    other = Subscriber(driver)
    client("SUBSCRIBE", "a", "b")
    client("SSUBSCRIBE", "s")
    other("SUBSCRIBE", "a")
    other("PSUBSCRIBE", "a", "p*")
    client("PSUBSCRIBE", "p*")
    assert driver.run("PUBSUB", "NUMSUB") == []
    assert driver.run("PUBSUB", "NUMSUB", "a", "b", "c") == [b"a", 2, b"b", 1, b"c", 0]
    assert driver.run("PUBSUB", "SHARDNUMSUB") == []
    assert driver.run("PUBSUB", "SHARDNUMSUB", "s", "a") == [b"s", 1, b"a", 0]
    assert driver.run("PUBSUB", "NUMPAT") == 2


def test_pubsub_refuses_what_it_does_not_know(driver: Driver) -> None:
    assert driver.run("PUBSUB") == b"-ERR wrong number of arguments for 'pubsub' command"
    assert driver.run("PUBSUB", "NOPE") == b"-ERR unknown subcommand 'NOPE'. Try PUBSUB HELP."
    for word in ("CHANNELS", "SHARDCHANNELS"):
        assert driver.run("PUBSUB", word, "a", "b") == (
            b"-ERR unknown subcommand or wrong number of arguments for '%b'. Try PUBSUB HELP."
            % word.encode()
        )
    assert driver.run("PUBSUB", "NUMPAT", "x") == (
        b"-ERR wrong number of arguments for 'pubsub|numpat' command"
    )
    helped = driver.run("PUBSUB", "HELP")
    assert isinstance(helped, list)
    assert len(helped) == 13


def test_client_list_shows_subscriptions(driver: Driver, client: Subscriber) -> None:
    assert client.field("flags") == "N"
    client("SUBSCRIBE", "a", "b", "c")
    client("PSUBSCRIBE", "a", "b")
    client("SSUBSCRIBE", "a")
    assert [client.field(name) for name in ("flags", "sub", "psub", "ssub")] == ["P", "3", "2", "1"]
    listed = driver.run("CLIENT", "LIST", "TYPE", "pubsub")
    assert isinstance(listed, Verbatim)
    assert listed.text.startswith(b"id=%d " % client.session.number)
    assert listed.text.count(b"\n") == 1
    listed = driver.run("CLIENT", "LIST", "TYPE", "normal")
    assert isinstance(listed, Verbatim)
    assert listed.text.count(b"\n") == 1


def test_client_kill_knows_subscribers(driver: Driver, client: Subscriber) -> None:
    assert driver.run("CLIENT", "KILL", "TYPE", "pubsub") == 0
    client("SUBSCRIBE", "a")
    assert driver.run("CLIENT", "KILL", "TYPE", "pubsub") == 1
    assert client.session.is_closing


def test_info_counts(driver: Driver, client: Subscriber) -> None:
    client("SUBSCRIBE", "a", "b", "c")
    client("PSUBSCRIBE", "a", "b")
    client("SSUBSCRIBE", "a")
    info = driver.run("INFO", "stats", "clients")
    assert isinstance(info, Verbatim)
    lines = info.text.decode().splitlines()
    for line in (
        "pubsub_channels:3", "pubsub_patterns:2", "pubsubshard_channels:1", "pubsub_clients:1",
    ):  # fmt: skip
        assert line in lines


def test_shard_channels_are_no_keys(driver: Driver) -> None:
    for command in ("SSUBSCRIBE a b", "SUNSUBSCRIBE a", "SPUBLISH a x"):
        assert driver.run("COMMAND", "GETKEYS", *command.split()) == (
            b"-ERR The command has no key arguments"
        )
