"""SCAN, KEYS, RANDOMKEY and DBSIZE: every key, wherever it is."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driver import DEADLINE_SECONDS, Driver, rocks_driver
from dscache.store.layout import POSITION_END, hash_slot
from dscache.store.memory import MemoryStore
from places import PLACES, Client

SYNTAX = b"-ERR syntax error"
INVALID_CURSOR = b"-ERR invalid cursor"
NOT_AN_INTEGER = b"-ERR value is not an integer or out of range"


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client whose keys are at one place when each command comes."""
    client = Client(request.param)
    yield client
    client.close()


@pytest.fixture
def driver() -> Iterator[Driver]:
    """An engine."""
    driver = Driver()
    yield driver
    driver.close()


def put(driver: Driver, *keys: bytes, expire_ms: int = 0) -> None:
    for key in keys:
        driver.session.keyspace.put(key, b"v", expire_ms, b"set")


def evict(driver: Driver, odd_only: bool = False) -> None:
    """Let clean keys leave memory: all of them, or those that end with an odd digit."""
    keyspace = driver.session.keyspace
    for key in list(keyspace.space.entries):
        if key[-1] % 2 or not odd_only:
            keyspace.evict(key)


def page(reply: object) -> tuple[bytes, list[bytes]]:
    """(cursor, keys) of a reply to SCAN."""
    assert isinstance(reply, list), reply
    cursor, keys = reply
    assert isinstance(cursor, bytes)
    assert isinstance(keys, list)
    return cursor, keys


def scan_all(run: Callable[..., object], *options: str | int) -> list[bytes]:
    """The keys of a whole iteration."""
    found: list[bytes] = []
    cursor = b"0"
    while True:
        cursor, keys = page(run("SCAN", cursor, *options))
        found.extend(keys)
        if cursor == b"0":
            return found


def texts(reply: object) -> list[bytes]:
    assert isinstance(reply, list)
    return sorted(reply)


# The 2011 list


@pytest.mark.parametrize("on_disk", ["none", "half", "all"])
def test_four_thousand_keys_are_four_thousand_wherever_they_are(
    driver: Driver, on_disk: str
) -> None:
    names = [b"key:%d" % number for number in range(4000)]
    put(driver, *names[:2000])
    if on_disk != "none":
        driver.evict_all()
    put(driver, *names[2000:])
    if on_disk == "all":
        driver.evict_all()
    assert driver.run("DBSIZE") == 4000
    assert texts(driver.run("KEYS", "*")) == sorted(names)
    assert sorted(scan_all(driver.run)) == sorted(names)


# SCAN


def test_scan_finds_every_key_once(client: Client) -> None:
    names = [b"key:%d" % number for number in range(50)]
    put(client.driver, *names)
    client.driver.evict_all()
    put(client.driver, *names[40:], b"new")
    client("DEL", names[0])
    expected = sorted((*names[1:], b"new"))
    for options in ((), ("COUNT", 1), ("COUNT", 7), ("COUNT", 1000), ("COUNT", 2**62)):
        assert sorted(scan_all(client, *options)) == expected


def test_scan_of_what_is_on_disk_goes_by_its_count(driver: Driver) -> None:
    put(driver, *(b"key:%d" % number for number in range(100)))
    driver.evict_all()
    cursor, keys = page(driver.run("SCAN", "0"))
    assert cursor != b"0"
    assert len(keys) == 10
    _, keys = page(driver.run("SCAN", cursor, "COUNT", "33"))
    assert len(keys) == 33


def test_a_huge_count_is_no_reason_to_hold_everybody_up(driver: Driver) -> None:
    names = [b"%d" % number for number in range(10_050)]
    put(driver, *names)
    driver.evict_all()
    cursor, keys = page(driver.run("SCAN", "0", "COUNT", "1000000"))
    assert len(keys) == 10_000
    _, rest = page(driver.run("SCAN", cursor, "COUNT", "1000000"))
    assert sorted(keys + rest) == sorted(names)


def test_scan_of_an_empty_database_ends_at_once(client: Client) -> None:
    assert client("SCAN", "0") == [b"0", []]


def test_scan_filters_by_pattern_and_type(client: Client) -> None:
    put(client.driver, b"a1", b"a2", b"b1", b"")
    assert sorted(scan_all(client, "MATCH", "a*")) == [b"a1", b"a2"]
    assert scan_all(client, "match", "[^a]*", "COUNT", 2) == [b"b1"]
    assert sorted(scan_all(client, "MATCH", "*")) == [b"", b"a1", b"a2", b"b1"]
    assert sorted(scan_all(client, "MATCH", "x", "MATCH", "?1")) == [b"a1", b"b1"]
    assert len(scan_all(client, "TYPE", "String")) == 4
    assert scan_all(client, "TYPE", "list") == []
    assert scan_all(client, "TYPE", "no such type") == []
    assert scan_all(client, "TYPE", "string", "MATCH", "b*", "COUNT", "1") == [b"b1"]


@pytest.mark.parametrize("size", [1, 3000])
def test_scan_knows_every_type_by_its_name_in_any_case(client: Client, size: int) -> None:
    words = [f"word{number}" for number in range(size)]
    client("SET", "string", "".join(words))
    client("RPUSH", "list", *words)
    client("SADD", "set", *words)
    client("ZADD", "zset", *(word for name in words for word in ("1", name)))
    client("HSET", "hash", *(word for name in words for word in (name, "value")))
    client("XADD", "stream", "*", *(word for name in words for word in (name, "value")))
    for name in ("string", "list", "set", "zset", "hash", "stream"):
        assert client("TYPE", name) == name.encode()
        for written in (name, name.upper(), name.title()):
            assert scan_all(client, "TYPE", written) == [name.encode()]
    for unknown in ("none", "", "sets", "module"):
        assert scan_all(client, "TYPE", unknown) == []
    assert scan_all(client, "TYPE", "set", "TYPE", "hash") == [b"hash"]


def test_scan_leaves_out_expired_keys(client: Client) -> None:
    now_ms = client.now_ms()
    put(client.driver, b"a", b"b")
    put(client.driver, b"gone", expire_ms=now_ms + 10)
    put(client.driver, b"later", expire_ms=now_ms + 1000)
    client.driver.flush()
    client.driver.advance(0.010)
    assert sorted(scan_all(client)) == [b"a", b"b", b"later"]
    assert texts(client("KEYS", "*")) == [b"a", b"b", b"later"]


def test_databases_are_scanned_apart(client: Client) -> None:
    put(client.driver, b"a")
    client.driver.engine.keyspaces[1].put(b"b", b"v", 0, b"set")
    assert scan_all(client) == [b"a"]
    assert client("KEYS", "*") == [b"a"]
    assert client("RANDOMKEY") == b"a"
    client("SELECT", "1")
    assert scan_all(client) == [b"b"]
    assert client("KEYS", "*") == [b"b"]
    assert client("RANDOMKEY") == b"b"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("x",), INVALID_CURSOR),
        (("",), INVALID_CURSOR),
        ((" ",), INVALID_CURSOR),
        (("-1",), INVALID_CURSOR),
        (("1 ",), INVALID_CURSOR),
        (("0x10",), INVALID_CURSOR),
        (("18446744073709551616",), INVALID_CURSOR),
        (("9" * 5000,), INVALID_CURSOR),
        (("x", "FOO", "bar"), INVALID_CURSOR),
        (("0", "COUNT", "x"), NOT_AN_INTEGER),
        (("0", "COUNT", "0"), SYNTAX),
        (("0", "COUNT", "-1"), SYNTAX),
        (("0", "COUNT"), SYNTAX),
        (("0", "MATCH"), SYNTAX),
        (("0", "TYPE"), SYNTAX),
        (("0", "FOO"), SYNTAX),
        (("0", "FOO", "1"), SYNTAX),
        (("0", "NOVALUES"), b"-ERR NOVALUES option can only be used in HSCAN"),
    ],
)
def test_scan_refuses(driver: Driver, words: tuple[str, ...], error: bytes) -> None:
    assert driver.run("SCAN", *words) == error


@pytest.mark.parametrize(
    "cursor", ["00", " 0", "\t+0", "-0", "\0", "0\0x", "000000000000000000000000000000"]
)
def test_a_cursor_is_read_as_loosely_as_in_redis(driver: Driver, cursor: str) -> None:
    put(driver, b"a")
    expected = INVALID_CURSOR if cursor == "\0" else [b"0", [b"a"]]
    assert driver.run("SCAN", cursor) == expected


@pytest.mark.parametrize("cursor", [POSITION_END, 2**63, 2**64 - 1, "-01"])
def test_a_cursor_behind_the_last_position_ends_the_iteration(
    driver: Driver, cursor: int | str
) -> None:
    put(driver, b"a")
    assert driver.run("SCAN", cursor) == [b"0", []]


def test_a_cursor_means_the_same_after_a_restart(tmp_path: Path) -> None:
    driver = rocks_driver(tmp_path)
    names = [b"key:%d" % number for number in range(100)]
    put(driver, *names)
    driver.evict_all()
    cursor, keys = page(driver.run("SCAN", "0", "COUNT", "30"))
    driver.close()
    driver = rocks_driver(tmp_path)
    while cursor != b"0":
        cursor, more = page(driver.run("SCAN", cursor))
        keys += more
    driver.close()
    assert sorted(keys) == sorted(names)


#: Steps between and during the pages of a scan: what happens, and to which key.
KINDS: tuple[str, ...] = (
    "page",
    "page",
    "set",
    "set",
    "delete",
    "rewrite",
    "expire",
    "cut",
    "turn",
    "flush",
)
KINDS += ("evict", "evict odd", "fail")
STEPS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 11)), max_size=60)
STABLE = [b"stable:%d" % number for number in range(12)]


def keep_scanning(driver: Driver, steps: list[tuple[str, int]]) -> None:
    """SCAN returns the keys that exist all the time, once, and none that never existed."""
    put(driver, *STABLE)
    other = driver.new_session()
    ever = set(STABLE)
    found: list[bytes] = []
    cursor = b"0"
    replies: list[object] | None = None
    is_over = False
    store = driver.engine.store

    def have_page() -> None:
        nonlocal cursor, replies, is_over
        if replies is None:
            return
        waiting = replies
        driver.turn_until(lambda: bool(waiting))
        cursor, keys = page(waiting[0])
        found.extend(keys)
        replies = None
        is_over = cursor == b"0"

    for step, number in steps:
        key = b"%d" % number
        if step == "page":
            have_page()
            if not is_over:
                # What follows happens while the page is read.
                replies = driver.start("SCAN", cursor, "COUNT", number // 3 + 1)
        elif step == "set":
            ever.add(key)
            driver.run("SET", key, "v", session=other)
        elif step == "delete":
            driver.run("DEL", key, session=other)
        elif step == "rewrite":
            driver.run("SET", STABLE[number], "w", session=other)
        elif step == "expire":
            driver.run("EXPIRE", STABLE[number], "1000", session=other)
        elif step == "cut":
            if driver.engine.flusher.has_dirty and not driver.engine.flusher.is_saving:
                driver.engine.flusher.cut()
        elif step == "turn":
            driver.engine.turn()
        elif step == "fail":
            if hasattr(store, "fail_commits"):
                store.fail_commits = number % 2 == 0
        else:
            if hasattr(store, "fail_commits"):
                store.fail_commits = False
            driver.flush()
            if step == "evict":
                evict(driver)
            elif step == "evict odd":
                evict(driver, odd_only=True)
    if hasattr(store, "fail_commits"):
        store.fail_commits = False
    while not is_over:
        have_page()
        if not is_over:
            replies = driver.start("SCAN", cursor, "COUNT", "3")
    counted = Counter(found)
    assert all(counted[key] == 1 for key in STABLE), counted
    assert set(found) <= ever
    assert max(counted.values()) == 1


@given(STEPS)
def test_keys_that_exist_throughout_a_scan_are_found(steps: list[tuple[str, int]]) -> None:
    driver = Driver()
    try:
        keep_scanning(driver, steps)
    finally:
        driver.close()


@given(STEPS)
@settings(max_examples=15)
def test_keys_that_exist_throughout_a_scan_are_found_in_rocksdb(
    steps: list[tuple[str, int]],
) -> None:
    with TemporaryDirectory() as directory:
        driver = rocks_driver(Path(directory))
        try:
            keep_scanning(driver, steps)
        finally:
            driver.close()


class SlowScans(MemoryStore):
    """Returns what a scan has read only when the test allows it."""

    def __init__(self) -> None:
        super().__init__()
        self.has_read = threading.Event()
        self.may_return = threading.Event()

    def scan(
        self, column: int, begin: bytes, end: bytes, limit: int, max_bytes: int
    ) -> list[tuple[bytes, bytes]]:
        found = super().scan(column, begin, end, limit, max_bytes)
        self.has_read.set()
        assert self.may_return.wait(DEADLINE_SECONDS)
        return found


def test_what_is_committed_and_evicted_while_a_page_is_read_is_not_lost() -> None:
    store = SlowScans()
    driver = Driver(store)
    put(driver, b"deleted")
    driver.evict_all()
    put(driver, b"new")
    driver.run("DEL", "deleted")
    replies = driver.start("SCAN", "0")
    assert store.has_read.wait(DEADLINE_SECONDS)
    driver.evict_all()
    store.may_return.set()
    driver.turn_until(lambda: bool(replies))
    assert replies == [[b"0", [b"new"]]]
    driver.close()


@pytest.mark.parametrize("every", [1, 2, 3])
def test_a_scan_finds_what_is_dirty_in_its_epoch(driver: Driver, every: int) -> None:
    # The lists of dirty entries are used again: what was known of one must not be taken for the next.
    there: set[bytes] = set()
    for number in range(12):
        new = [b"%d:%d" % (number, other) for other in range(50 - 4 * number)]
        put(driver, *new)
        there.update(new)
        if number % every == 0:
            assert set(scan_all(driver.run, "COUNT", 1000)) == there
        driver.flush()
        driver.turn_until(lambda: not driver.engine.flusher.has_work)
        evict(driver)


def test_a_scan_finds_what_came_after_the_one_before(client: Client) -> None:
    put(client.driver, b"a")
    assert scan_all(client) == [b"a"]
    put(client.driver, b"b")
    assert sorted(scan_all(client)) == [b"a", b"b"]
    client("DEL", "a")
    assert scan_all(client) == [b"b"]


# KEYS


def test_keys_answers_what_matches(client: Client) -> None:
    put(client.driver, b"a1", b"a2", b"b1", b"")
    assert texts(client("KEYS", "*")) == [b"", b"a1", b"a2", b"b1"]
    assert texts(client("KEYS", "a?")) == [b"a1", b"a2"]
    assert texts(client("KEYS", "*1")) == [b"a1", b"b1"]
    assert client("KEYS", "") == [b""]
    assert client("KEYS", "x*") == []
    client("DEL", "a1")
    assert texts(client("KEYS", "a?")) == [b"a2"]


def test_keys_answers_as_of_one_instant(client: Client) -> None:
    driver = client.driver
    put(driver, *(b"%d" % number for number in range(100)))
    driver.evict_all()
    put(driver, *(b"%d" % number for number in range(90, 110)))
    client("DEL", "0")
    replies = driver.start("KEYS", "*")
    assert not replies
    other = driver.new_session()
    driver.start("DEL", *range(110), session=other)
    put(driver, b"new")
    driver.evict_all()
    driver.turn_until(lambda: bool(replies))
    assert texts(replies[0]) == sorted(b"%d" % number for number in range(1, 110))


def test_keys_and_scan_work_in_a_transaction(client: Client) -> None:
    put(client.driver, b"a")
    client.driver.evict_all()
    put(client.driver, b"b")
    client("MULTI")
    client("SET", "c", "1")
    client("KEYS", "*")
    client("SCAN", "0")
    client("RANDOMKEY")
    replies = client("EXEC")
    assert isinstance(replies, list)
    assert texts(replies[1]) == [b"a", b"b", b"c"]
    assert texts(page(replies[2])[1]) == [b"a", b"b", b"c"]
    assert replies[3] in (b"a", b"b", b"c")


# RANDOMKEY


def draw(run: Callable[..., object], times: int) -> Counter[object]:
    """How often RANDOMKEY answers what. What is drawn is the same each time the test runs."""
    random.seed(2011)
    return Counter(run("RANDOMKEY") for _ in range(times))


def test_there_is_no_random_key_in_an_empty_database(client: Client) -> None:
    assert client("RANDOMKEY") is None
    client("SET", "a", "1")
    client("DEL", "a")
    assert client("RANDOMKEY") is None


def test_a_few_keys_are_drawn_alike(client: Client) -> None:
    put(client.driver, b"a", b"b", b"c")
    drawn = draw(client, 300)
    assert set(drawn) == {b"a", b"b", b"c"}
    assert min(drawn.values()) > 60


@pytest.mark.parametrize("where", ["in memory", "on disk", "half and half"])
@pytest.mark.parametrize("form", [b"key:%d", b"{tag}%d"])
def test_many_keys_are_drawn_nearly_alike(driver: Driver, form: bytes, where: str) -> None:
    names = [form % number for number in range(100)]
    put(driver, *names[:50])
    if where != "in memory":
        driver.evict_all()
    put(driver, *names[50:])
    if where == "on disk":
        driver.evict_all()
    drawn = draw(driver.run, 1500)
    assert len(drawn) == 100
    assert max(drawn.values()) < 45, "the mean is 15"


def test_keys_with_a_hash_tag_do_not_hide_each_other(driver: Driver) -> None:
    """A random place is hardly ever inside the one slot in which they all are."""
    put(driver, *(b"{tag}%d" % number for number in range(5000)))
    driver.evict_all()
    assert len(draw(driver.run, 500)) > 400


def test_a_random_key_has_not_expired(client: Client) -> None:
    now_ms = client.now_ms()
    put(client.driver, *(b"gone:%d" % number for number in range(200)), expire_ms=now_ms + 10)
    put(client.driver, b"a", b"b")
    client.driver.flush()
    client.driver.advance(0.010)
    assert set(draw(client, 30)) == {b"a", b"b"}
    client("DEL", "a", "b")
    assert client("RANDOMKEY") is None


def test_the_only_one_of_many_keys_that_has_not_expired_is_found(driver: Driver) -> None:
    now_ms = int(driver.clock.time() * 1000)
    put(driver, *(b"gone:%d" % number for number in range(12_000)), expire_ms=now_ms + 10)
    put(driver, b"alive")
    driver.evict_all()
    driver.advance(0.010)
    random.seed(2011)
    assert driver.run("RANDOMKEY") == b"alive"


def test_all_keys_of_one_slot_and_one_of_another_are_drawn(driver: Driver) -> None:
    put(driver, *(b"{tag}%d" % number for number in range(100)), b"other")
    assert hash_slot(b"other") != hash_slot(b"tag")
    assert b"other" in draw(driver.run, 200)


# DBSIZE


def test_dbsize_does_not_count_a_key_twice_that_was_written_without_looking(
    client: Client,
) -> None:
    names = [b"%d" % number for number in range(100)]
    for _ in range(3):
        client("MSET", *(word for name in names for word in (name, b"v")))
        client.driver.evict_all()
        client("MSET", *(word for name in names for word in (name, b"w")))
        assert client("DBSIZE") == 100
    client("SET", "new", "1")
    assert client("DBSIZE") == 101
    client("DEL", "new", "0")
    assert client("DBSIZE") == 99


def test_dbsize_is_that_of_the_database(client: Client) -> None:
    client("SET", "a", "1")
    client("SELECT", "1")
    assert client("DBSIZE") == 0
    client("COPY", "a", "b")
    assert client("DBSIZE") == 0


def test_scan_lets_expire_what_it_meets(driver: Driver) -> None:
    driver.engine.expiry.enabled = False
    for number in range(20):
        driver.run("SET", f"key{number}", "v")
    driver.run("PEXPIRE", "key3", 10)
    driver.evict_all()
    driver.run("PEXPIRE", "key4", 10)
    driver.advance(1)
    reply = driver.run("SCAN", 0, "COUNT", 100)
    assert isinstance(reply, list)
    assert len(reply[1]) == 18
    assert driver.run("DBSIZE") == 18
