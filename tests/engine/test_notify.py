"""Keyspace notifications: which events are published, where, and in which order."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import dscache
from driver import Driver
from dscache.engine.notify import CLASS_OF
from dscache.engine.session import Session
from dscache.wire.reply import Message
from places import DISK, PLACES, Client

Event = tuple[bytes, bytes]

#: Where the event stands among the arguments of the methods that report one.
EVENT_AT = {
    "put": 3, "delete": 1, "changed": 1, "shrunk": 1, "notify": 1, "set_expiry": 2, "_mark": 1,
    "_remove": 1,
}  # fmt: skip


def reported_events(source: Path) -> set[bytes]:
    """The events that the code in ``source`` names where it reports one."""
    found: set[bytes] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        place = EVENT_AT.get(node.func.attr)
        if place is None or len(node.args) <= place:
            continue
        for part in ast.walk(node.args[place]):
            if isinstance(part, ast.Constant) and isinstance(part.value, bytes):
                found.add(part.value)
    return found - {b""}


def test_every_event_that_the_code_reports_has_a_class() -> None:
    root = Path(dscache.__file__).parent
    sources = [path for room in ("commands", "engine") for path in (root / room).rglob("*.py")]
    found = set().union(*(reported_events(source) for source in sources))
    assert {b"set", b"expire", b"expired", b"del"} <= found
    assert found <= set(CLASS_OF), "engine/notify.py does not know these events"


def test_every_class_is_one_of_the_directive() -> None:
    assert set(CLASS_OF.values()) < set("g$lshzxetdnm")


class Listener:
    """A subscriber of everything that the keyspace tells, on a driver of its own."""

    def __init__(self, classes: str, *patterns: str) -> None:
        self.driver = Driver(notify_keyspace_events=classes)
        self.session = self.driver.new_session()
        self.messages: list[tuple[bytes, bytes]] = []
        self.session.push = self._take
        self.driver.run("PSUBSCRIBE", *(patterns or ("__key*",)), session=self.session)

    def _take(self, message: object) -> None:
        assert isinstance(message, Message)
        self.messages.append((message.items[2], message.items[3]))

    def after(
        self, *words: str | bytes | int, session: Session | None = None
    ) -> list[tuple[bytes, bytes]]:
        """The messages that a command causes: (channel, text)."""
        self.messages.clear()
        self.driver.run(*words, session=session)
        return list(self.messages)


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Hears everything."""
    listener = Listener("KEA")
    yield listener
    listener.driver.close()


def test_the_keyspace_is_told_before_the_event(listener: Listener) -> None:
    assert listener.after("SET", "k", "v") == [
        (b"__keyspace@0__:k", b"set"),
        (b"__keyevent@0__:set", b"k"),
    ]


def test_the_channel_has_the_number_of_the_database(listener: Listener) -> None:
    listener.driver.run("SELECT", "9")
    assert listener.after("SET", "k", "v")[0] == (b"__keyspace@9__:k", b"set")


def test_each_event_of_a_command_is_told(listener: Listener) -> None:
    events = [text for channel, text in listener.after("SET", "k", "v", "EX", "10")[::2]]
    assert events == [b"set", b"expire"]


def test_a_move_is_told_in_both_databases(listener: Listener) -> None:
    listener.driver.run("SET", "k", "v")
    assert listener.after("MOVE", "k", "1")[::2] == [
        (b"__keyspace@0__:k", b"move_from"),
        (b"__keyspace@1__:k", b"move_to"),
    ]


@pytest.mark.parametrize(
    ("classes", "heard"),
    [
        ("K$", [(b"__keyspace@0__:k", b"set")]),
        ("E$", [(b"__keyevent@0__:set", b"k")]),
        ("Kg", [(b"__keyspace@0__:k", b"expire")]),
        ("KElshzxetdm", []),
        ("A", []),
        ("$g", []),
        ("", []),
    ],
)
def test_only_what_was_chosen_is_told(classes: str, heard: list[Event]) -> None:
    listener = Listener(classes)
    assert listener.after("SET", "k", "v", "EX", "10") == heard
    listener.driver.close()


def test_a_change_of_the_directive_takes_effect_at_once(listener: Listener) -> None:
    driver = listener.driver
    listeners = driver.engine.core.listeners
    number = len(listeners)
    assert driver.run("CONFIG", "SET", "notify-keyspace-events", "") == b"OK"
    assert listener.after("SET", "k", "v") == []
    assert len(listeners) == number - 1
    assert driver.run("CONFIG", "SET", "notify-keyspace-events", "E$") == b"OK"
    assert driver.run("CONFIG", "SET", "notify-keyspace-events", "K$") == b"OK"
    assert listener.after("SET", "k", "v") == [(b"__keyspace@0__:k", b"set")]
    assert len(listeners) == number


def test_own_events_come_behind_the_reply() -> None:
    driver = Driver(notify_keyspace_events="KEA")
    session = driver.session
    session.resp = 3
    order: list[object] = []
    session.push = order.append
    driver.run("SUBSCRIBE", "__keyspace@0__:k")
    session.deliver = order.append
    reply = driver.engine.execute(session, [b"SET", b"k", b"v"])
    assert order == []
    session.deliver(reply)
    session.reply_sent()
    assert [type(one).__name__ for one in order] == ["Status", "Message"]
    driver.close()


def test_events_of_a_transaction_come_behind_its_reply() -> None:
    driver = Driver(notify_keyspace_events="KEA")
    driver.session.resp = 3
    heard: list[object] = []
    driver.session.push = heard.append
    driver.run("SUBSCRIBE", "__keyspace@0__:k")
    driver.run("MULTI")
    driver.run("SET", "k", "v")
    driver.run("PING")
    assert isinstance(driver.engine.execute(driver.session, [b"EXEC"]), list)
    assert heard == []
    driver.session.reply_sent()
    assert len(heard) == 1
    driver.close()


# Expiry


@pytest.mark.parametrize("place", PLACES)
def test_a_lookup_of_a_key_that_is_due_tells_that_it_expired(place: str) -> None:
    client = Client(place)
    client("SET", "k", "v", "PX", "100")
    client.driver.advance(1.0)
    assert client("GET", "k") is None
    assert client.events == [(b"expired", b"k")]
    client.close()


@pytest.mark.parametrize("place", PLACES)
def test_a_key_that_nobody_asks_for_is_told_of_when_it_expires(place: str) -> None:
    client = Client(place)
    client("SET", "k", "v", "PX", "100")
    client.driver.flush()
    client("PING")
    client.driver.advance(1.0)
    client.driver.engine.tick()
    client.driver.turn_until(lambda: bool(client.events))
    assert client.events == [(b"expired", b"k")]
    client.close()


def test_overwriting_a_key_that_is_due_tells_first_that_it_expired() -> None:
    client = Client("in memory", notify_keyspace_events="KEAn")
    client("SET", "k", "v", "PX", "100")
    client.driver.advance(1.0)
    client("SET", "k", "v")
    assert client.events == [(b"expired", b"k"), (b"new", b"k"), (b"set", b"k")]
    client.driver.advance(1.0)
    assert client("GET", "k") == b"v"
    assert client.driver.engine.core.stats.expired_keys == 1
    client.close()


def test_renaming_onto_a_key_that_is_due_tells_first_that_it_expired() -> None:
    client = Client("in memory")
    client("SET", "a", "v")
    client("SET", "b", "v", "PX", "100")
    client.driver.advance(1.0)
    client("RENAME", "a", "b")
    assert client.events == [(b"expired", b"b"), (b"rename_from", b"a"), (b"rename_to", b"b")]
    assert client.exists(b"b")
    client.close()


def test_eviction_from_memory_is_no_event(listener: Listener) -> None:
    listener.driver.run("SET", "k", "v")
    listener.messages.clear()
    listener.driver.evict_all()
    assert listener.messages == []


# New keys


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client that hears of new keys and of misses."""
    client = Client(request.param, notify_keyspace_events="KEAnm")
    yield client
    client.close()


@pytest.mark.parametrize(
    ("command", "event"),
    [
        ("SET k v", b"set"),
        ("SETEX k 10 v", b"set"),
        ("SETNX k v", b"set"),
        ("INCR k", b"incrby"),
        ("APPEND k 1", b"append"),
        ("SETRANGE k 0 1", b"setrange"),
    ],
)
def test_a_new_key_is_told_before_the_command_s_event(
    client: Client, command: str, event: bytes
) -> None:
    client(*command.split())
    assert client.events[:2] == [(b"new", b"k"), (event, b"k")]
    client(*command.split())
    assert (b"new", b"k") not in client.events
    client("DEL", "k")
    client(*command.split())
    assert client.events[:2] == [(b"new", b"k"), (event, b"k")]


def test_of_several_keys_only_the_new_ones_are_told(client: Client) -> None:
    client("SET", "b", "1")
    client("MSET", "a", "1", "b", "2", "c", "3", "a", "4")
    assert client.events == [
        (b"new", b"a"), (b"set", b"a"), (b"set", b"b"), (b"new", b"c"), (b"set", b"c"), (b"set", b"a"),
    ]  # fmt: skip


def test_rename_makes_its_destination_anew_first(client: Client) -> None:
    client("MSET", "a", "1", "b", "2")
    client("RENAME", "a", "b")
    assert client.events == [(b"new", b"b"), (b"rename_from", b"a"), (b"rename_to", b"b")]
    client("RENAMENX", "b", "c")
    assert client.events == [(b"new", b"c"), (b"rename_from", b"b"), (b"rename_to", b"c")]


def test_copy_with_replace_makes_its_destination_anew(client: Client) -> None:
    client("MSET", "a", "1", "b", "2")
    client("COPY", "a", "b", "REPLACE")
    assert client.events == [(b"new", b"b"), (b"copy_to", b"b")]
    client("COPY", "a", "c")
    assert client.events == [(b"new", b"c"), (b"copy_to", b"c")]
    client("COPY", "a", "b", "DB", "1", "REPLACE")
    assert client.events == [(b"new", b"b"), (b"copy_to", b"b")]


def test_restore_makes_its_key_anew(client: Client) -> None:
    client("SET", "a", "1")
    payload = client("DUMP", "a")
    assert isinstance(payload, bytes)
    for words in (("a", 0, payload, "REPLACE"), ("b", 0, payload)):
        client("RESTORE", *words)
        assert client.events == [(b"new", words[0].encode()), (b"restore", words[0].encode())]
    # Nothing is made of what is due already.
    client("RESTORE", "a", 1, payload, "REPLACE", "ABSTTL")
    assert client.events == [(b"del", b"a")]


def test_move_makes_its_destination_anew_first(client: Client) -> None:
    client("SET", "a", "1")
    client("MOVE", "a", "1")
    assert client.events == [(b"new", b"a"), (b"move_from", b"a"), (b"move_to", b"a")]


def test_a_transaction_knows_which_keys_are_new(client: Client) -> None:
    client("SET", "old", "1")
    client("MULTI")
    for words in ("SET old 2", "SET fresh 1", "SET fresh 2", "DEL old", "SET old 3"):
        client.driver.run(*words.split())
    client("EXEC")
    assert client.events == [
        (b"set", b"old"), (b"new", b"fresh"), (b"set", b"fresh"), (b"set", b"fresh"),
        (b"del", b"old"), (b"new", b"old"), (b"set", b"old"),
    ]  # fmt: skip
    assert client.driver.engine.loader.blocking_loads == 0


def test_after_a_flush_inside_a_transaction_all_keys_are_new(client: Client) -> None:
    client("SET", "k", "1")
    client("MULTI")
    client.driver.run("FLUSHDB")
    client.driver.run("SET", "k", "2")
    client("EXEC")
    assert client.events == [(b"new", b"k"), (b"set", b"k")]


def test_writes_look_up_their_keys_only_while_new_ones_are_told() -> None:
    client = Client(DISK)
    client("SET", "k", "1")
    client("SET", "k", "2")
    assert client.driver.engine.loader.loads == 0
    client.driver.run("CONFIG", "SET", "notify-keyspace-events", "Kn")
    client("SET", "k", "3")
    assert client.driver.engine.loader.loads == 1
    client.driver.run("CONFIG", "SET", "notify-keyspace-events", "KA")
    client("SET", "k", "4")
    assert client.driver.engine.loader.loads == 1
    assert client.events == [(b"set", b"k")]
    client.close()


# Misses


def test_reads_that_find_nothing_are_told(client: Client) -> None:
    client("GET", "none")
    assert client.events == [(b"keymiss", b"none")]
    client("EXISTS", "none", "none")
    assert client.events == [(b"keymiss", b"none")] * 2
    for command in ("TTL none", "TYPE none", "TOUCH none", "COPY none other", "GETDEL none"):
        client(*command.split())
        assert client.events == [(b"keymiss", b"none")]


def test_lookups_for_writing_and_of_object_are_no_misses(client: Client) -> None:
    for command in (
        "DEL none",
        "EXPIRE none 1",
        "PERSIST none",
        "OBJECT ENCODING none",
        "RENAME none k",
        "LPOP none 0",
        "RPOP none 0",
        "XDEL none 1-1",
        "XGROUP CREATE none g 0",
        "XGROUP SETID none g 0",
        "XGROUP DESTROY none g",
        "XGROUP CREATECONSUMER none g c",
        "XGROUP DELCONSUMER none g c",
    ):
        client(*command.split())
        assert client.events == []
    client("XGROUP", "CREATE", "none", "g", "0", "MKSTREAM")
    assert client.events == [(b"new", b"none"), (b"xgroup-create", b"none")]


def test_xautoclaim_looks_before_it_reads_its_arguments(client: Client) -> None:
    assert client("XAUTOCLAIM", "none", "g", "c", "x", "-") == (
        b"-ERR Invalid min-idle-time argument for XAUTOCLAIM"
    )
    assert client.events == [(b"keymiss", b"none")]
    client("SET", "k", "v")
    assert client("XAUTOCLAIM", "k", "g", "c", "0", "-", "COUNT", "0") == b"-ERR COUNT must be > 0"


def test_a_miss_comes_before_the_events_of_its_command(client: Client) -> None:
    client("SET", "k", "v", "GET")
    assert client.events == [(b"keymiss", b"k"), (b"new", b"k"), (b"set", b"k")]


def test_a_key_that_is_due_expires_and_is_missed(client: Client) -> None:
    client("SET", "k", "v", "PX", "100")
    client.driver.advance(1.0)
    client("MGET", "none", "k")
    # On disk all is looked up first, and the key expires then.
    assert sorted(client.events) == [(b"expired", b"k"), (b"keymiss", b"k"), (b"keymiss", b"none")]
    assert client.events.index((b"expired", b"k")) < client.events.index((b"keymiss", b"k"))


def test_misses_are_told_once_though_the_command_runs_again() -> None:
    client = Client("in memory", notify_keyspace_events="KEm")
    client("SET", "due", "v", "PX", "100")
    client("SET", "there", "v")
    client.driver.evict_all()
    client("MGET", "none", "due")
    client.driver.advance(1.0)
    assert client("MGET", "none", "due", "there") == [None, None, b"v"]
    assert client.driver.session.wait is None
    assert client.events == [
        (b"keymiss", b"none"), (b"expired", b"due"), (b"keymiss", b"due"),
    ] or client.events == [
        (b"expired", b"due"), (b"keymiss", b"none"), (b"keymiss", b"due"),
    ]  # fmt: skip
    client.close()


def test_misses_are_not_kept_while_nobody_wants_them(listener: Listener) -> None:
    assert listener.after("GET", "none") == []
    assert listener.driver.engine.core.lookup_events == []
