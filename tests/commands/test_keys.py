"""DEL, RENAME, COPY, MOVE, OBJECT and their relatives: the same wherever the keys are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import dscache
from driver import Driver
from dscache.store.base import PAYLOADS
from dscache.store.memory import MemoryStore
from dscache.values.base import LIST, Value
from dscache.wire.reply import Status
from places import PLACES, Client

HUGE = b"x" * 100_000


class PayloadReads(MemoryStore):
    """Counts how often a payload was read that is kept apart."""

    def __init__(self) -> None:
        super().__init__()
        self.payload_reads = 0

    def read_many(self, column: int, keys: list[bytes]) -> list[bytes | None]:
        self.payload_reads += len(keys) if column == PAYLOADS else 0
        return super().read_many(column, keys)


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client whose keys are at one place when each command comes."""
    client = Client(request.param)
    yield client
    client.close()


@pytest.fixture
def driver() -> Iterator[Driver]:
    """An engine over a store that counts reads of payloads."""
    driver = Driver(PayloadReads())
    yield driver
    driver.close()


def payload_reads(driver: Driver) -> int:
    assert isinstance(driver.store, PayloadReads)
    return driver.store.payload_reads


def put(driver: Driver, key: bytes, value: object, database: int = 0) -> None:
    driver.engine.keyspaces[database].put(key, value, 0, b"set")


# Existence


@pytest.mark.parametrize("command", ["DEL", "UNLINK"])
def test_deleting_answers_how_many_keys_there_were(client: Client, command: str) -> None:
    client("MSET", "a", "1", "b", "2", "c", "3")
    assert client(command, "a", "b", "a", "missing") == 2
    assert sorted(client.events) == [(b"del", b"a"), (b"del", b"b")]
    assert client("EXISTS", "a", "b", "c") == 1
    assert client(command, "a") == 0
    assert client.events == []
    assert client("DBSIZE") == 1


def test_a_deleted_key_stays_deleted(client: Client) -> None:
    client("SET", "a", "1")
    client("DEL", "a")
    client.driver.evict_all()
    assert client("GET", "a") is None
    assert client("DBSIZE") == 0


def test_del_looks_at_all_keys_before_it_deletes_the_first(driver: Driver) -> None:
    for key in (b"a", b"b", b"c"):
        put(driver, key, b"1")
    driver.evict_all()
    driver.run("EXISTS", "a")
    replies = driver.start("DEL", "a", "b", "c")
    assert not replies, "b and c are on disk only"
    assert driver.run("EXISTS", "a", session=driver.new_session()) == 1
    driver.turn_until(lambda: bool(replies))
    assert replies == [3]
    assert driver.engine.core.stats.cache_faults == 0


def test_an_expired_key_is_not_there_to_be_deleted(client: Client) -> None:
    client("SET", "a", "1", "PX", "1000")
    client.driver.flush()
    client.driver.advance(1.001)
    assert client("DEL", "a") == 0
    assert client.events == [(b"expired", b"a")]
    assert client("DBSIZE") == 0


def test_exists_counts_a_key_as_often_as_it_is_given(client: Client) -> None:
    client("MSET", "a", "1", "b", "")
    assert client("EXISTS", "a", "a", "b", "missing") == 3


@pytest.mark.parametrize("command", ["EXISTS", "TOUCH"])
def test_hits_and_misses_are_counted_once(client: Client, command: str) -> None:
    client("MSET", "a", "1", "b", "2")
    stats = client.driver.engine.core.stats
    stats.reset()
    assert client(command, "a", "missing", "b") == 2
    assert (stats.keyspace_hits, stats.keyspace_misses) == (2, 1)


def test_touch_is_a_use_of_the_key() -> None:
    driver = Driver(cache_policy="lru")
    for key in (b"a", b"b", b"c"):
        put(driver, key, b"1")
    driver.flush()
    assert driver.run("TOUCH", "a", "b", "missing") == 2
    residency = driver.engine.residency
    residency.limit_bytes = residency.used_bytes() - 1
    residency.make_room()
    assert not driver.session.keyspace.is_resident(b"c")
    assert driver.session.keyspace.is_resident(b"a")
    driver.close()


def test_type_names_the_type(client: Client) -> None:
    client("SET", "a", "1")
    assert client("TYPE", "a") == b"string"
    assert client("TYPE", "missing") == b"none"


@pytest.mark.parametrize(
    "words",
    [
        ("DEL", "huge"),
        ("UNLINK", "huge"),
        ("EXISTS", "huge"),
        ("TOUCH", "huge"),
        ("TYPE", "huge"),
        ("TTL", "huge"),
        ("PTTL", "huge"),
        ("EXPIRETIME", "huge"),
        ("PEXPIRETIME", "huge"),
        ("EXPIRE", "huge", "100"),
        ("EXPIRE", "huge", "-1"),
        ("PEXPIREAT", "huge", "99999999999999", "NX"),
        ("PERSIST", "huge"),
        ("OBJECT", "ENCODING", "huge"),
        ("OBJECT", "REFCOUNT", "huge"),
        ("RENAME", "small", "huge"),
        ("RENAMENX", "small", "huge"),
        ("COPY", "small", "huge"),
        ("COPY", "small", "huge", "REPLACE"),
    ],
)
def test_what_concerns_the_key_does_not_load_a_huge_value(
    driver: Driver, words: tuple[str, ...]
) -> None:
    put(driver, b"huge", HUGE)
    put(driver, b"small", b"1")
    driver.evict_all()
    reply = driver.run(*words)
    assert not (isinstance(reply, bytes) and reply.startswith(b"-")), reply
    driver.evict_all()
    assert payload_reads(driver) == 0
    assert driver.engine.core.stats.cache_faults == 0


def test_a_huge_value_is_whole_after_a_change_of_its_head(driver: Driver) -> None:
    put(driver, b"huge", HUGE)
    for words in (("EXPIRE", "huge", "100"), ("PERSIST", "huge"), ("RENAMENX", "huge", "huge")):
        driver.evict_all()
        driver.run(*words)
    driver.evict_all()
    assert driver.run("GET", "huge") == HUGE


# RENAME


def test_rename_takes_value_and_due_time_along(client: Client) -> None:
    client("SET", "a", "1", "EX", "100")
    client("SET", "b", "old")
    assert client("RENAME", "a", "b") == b"OK"
    assert client.events == [(b"rename_from", b"a"), (b"rename_to", b"b")]
    assert client("EXISTS", "a") == 0
    assert client("GET", "b") == b"1"
    assert client("TTL", "b") == 100
    assert client("DBSIZE") == 1


def test_rename_does_not_keep_the_due_time_of_the_name(client: Client) -> None:
    client("SET", "a", "1")
    client("SET", "b", "2", "EX", "100")
    client("RENAME", "a", "b")
    assert client("TTL", "b") == -1
    client.driver.flush()
    client.driver.advance(101)
    assert client("GET", "b") == b"1"


def test_rename_does_not_read_what_it_overwrites(driver: Driver) -> None:
    put(driver, b"a", b"1")
    put(driver, b"b", b"2")
    driver.evict_all()
    driver.run("EXISTS", "a")
    assert isinstance(driver.store, MemoryStore)
    driver.store.reads.clear()
    assert driver.run("RENAME", "a", "b") == b"OK"
    assert driver.store.reads == []
    assert driver.run("DBSIZE") == 1
    driver.evict_all()
    assert driver.run("GET", "b") == b"1"


def test_rename_of_a_huge_value_replaces_a_huge_value(client: Client) -> None:
    client("SET", "a", HUGE)
    client("SET", "b", HUGE[1:])
    client("RENAME", "a", "b")
    client.driver.evict_all()
    assert client("GET", "b") == HUGE
    assert client("GET", "a") is None


@pytest.mark.parametrize("command", ["RENAME", "RENAMENX"])
def test_renaming_what_does_not_exist_is_an_error(client: Client, command: str) -> None:
    client("SET", "b", "2")
    assert client(command, "a", "b") == b"-ERR no such key"
    assert client(command, "a", "a") == b"-ERR no such key"
    assert client("GET", "b") == b"2"


def test_renaming_a_key_to_itself_changes_nothing(client: Client) -> None:
    client("SET", "a", "1", "EX", "100")
    assert client("RENAME", "a", "a") == b"OK"
    assert client.events == []
    assert client("RENAMENX", "a", "a") == 0
    assert client.events == []
    assert client("GET", "a") == b"1"
    assert client("TTL", "a") == 100


def test_renamenx_refuses_a_name_that_is_taken(client: Client) -> None:
    client("MSET", "a", "1", "b", "2")
    assert client("RENAMENX", "a", "b") == 0
    assert client("MGET", "a", "b") == [b"1", b"2"]
    assert client("RENAMENX", "a", "c") == 1
    assert client.events == [(b"rename_from", b"a"), (b"rename_to", b"c")]
    assert client("MGET", "a", "c") == [None, b"1"]


def test_renamenx_takes_the_name_of_an_expired_key(client: Client) -> None:
    client("SET", "a", "1")
    client("SET", "b", "2", "PX", "10")
    client.driver.flush()
    client.driver.advance(0.011)
    assert client("RENAMENX", "a", "b") == 1
    assert client("GET", "b") == b"1"
    assert client("TTL", "b") == -1


def test_renaming_back_and_forth_while_epochs_are_saved(client: Client) -> None:
    client("SET", "a", "1")
    for _ in range(5):
        client("RENAME", "a", "b")
        client("RENAME", "b", "a")
    client.driver.evict_all()
    assert client("MGET", "a", "b") == [b"1", None]
    assert client("DBSIZE") == 1


@pytest.mark.parametrize(
    "words",
    [
        ("RENAME", "huge", "new"),
        ("RENAMENX", "huge", "new"),
        ("COPY", "huge", "new"),
        ("COPY", "huge", "new", "DB", "3"),
        ("MOVE", "huge", "3"),
    ],
)
def test_all_that_a_command_needs_is_loaded_in_one_go(
    driver: Driver, words: tuple[str, ...]
) -> None:
    put(driver, b"huge", HUGE)
    driver.evict_all()
    assert driver.run(*words) in (1, b"OK")
    assert driver.engine.core.stats.cache_faults == 0
    assert payload_reads(driver) == 1


def test_a_transaction_watches_both_names(driver: Driver) -> None:
    put(driver, b"a", b"1")
    for watched in ("a", "b"):
        other = driver.new_session()
        driver.run("WATCH", watched, session=other)
        driver.run("RENAME", "a", "b")
        driver.run("MULTI", session=other)
        driver.run("EXISTS", "a", session=other)
        assert not isinstance(driver.run("EXEC", session=other), list)
        driver.run("RENAME", "b", "a")


# COPY


def test_copy_copies_value_and_due_time(client: Client) -> None:
    client("SET", "a", "1", "EX", "100")
    assert client("COPY", "a", "b") == 1
    assert client.events == [(b"copy_to", b"b")]
    client("SET", "a", "2")
    assert client("MGET", "a", "b") == [b"2", b"1"]
    assert client("TTL", "b") == 100
    assert client("DBSIZE") == 2


def test_copy_overwrites_only_with_replace(client: Client) -> None:
    client("SET", "a", "1")
    client("SET", "b", "2", "EX", "100")
    assert client("COPY", "a", "b") == 0
    assert client("GET", "b") == b"2"
    assert client("COPY", "a", "b", "replace") == 1
    assert client("GET", "b") == b"1"
    assert client("TTL", "b") == -1
    assert client("DBSIZE") == 2


def test_copy_of_nothing_changes_nothing(client: Client) -> None:
    client("SET", "b", "2")
    assert client("COPY", "a", "b") == 0
    assert client("COPY", "a", "b", "REPLACE") == 0
    assert client("GET", "b") == b"2"


def test_copy_to_another_database(client: Client) -> None:
    client("SET", "a", "1")
    assert client("COPY", "a", "a", "DB", "3") == 1
    assert client("COPY", "a", "a", "DB", "3") == 0
    assert client("COPY", "a", "b", "REPLACE", "db", "3") == 1
    assert client("DBSIZE") == 1
    client("SELECT", "3")
    assert client("MGET", "a", "b") == [b"1", b"1"]


def test_a_huge_copy_is_independent_of_its_original(client: Client) -> None:
    client("SET", "a", HUGE)
    client("APPEND", "a", "y")
    assert client("COPY", "a", "b") == 1
    client("APPEND", "a", "z")
    client("SETRANGE", "b", "0", "b")
    client.driver.evict_all()
    assert client("GET", "a") == HUGE + b"yz"
    assert client("GET", "b") == b"b" + HUGE[1:] + b"y"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("a", "b", "FOO"), b"-ERR syntax error"),
        (("a", "b", "DB"), b"-ERR syntax error"),
        (("a", "b", "DB", "x"), b"-ERR value is not an integer or out of range"),
        (
            ("a", "b", "DB", "2147483648"),
            b"-ERR value is out of range, value must between -2147483648 and 2147483647",
        ),
        (("a", "b", "DB", "16"), b"-ERR DB index is out of range"),
        (("a", "b", "DB", "-1"), b"-ERR DB index is out of range"),
        (("a", "a"), b"-ERR source and destination objects are the same"),
        (("a", "a", "DB", "0"), b"-ERR source and destination objects are the same"),
    ],
)
def test_copy_refuses(client: Client, words: tuple[str, ...], error: bytes) -> None:
    client("SET", "a", "1")
    assert client("COPY", *words) == error


# MOVE


def test_move_takes_value_and_due_time_along(client: Client) -> None:
    client("SET", "a", "1", "EX", "100")
    assert client("MOVE", "a", "5") == 1
    assert client.events == [(b"move_from", b"a"), (b"move_to", b"a")]
    assert client("EXISTS", "a") == 0
    assert client("DBSIZE") == 0
    client("SELECT", "5")
    assert client("GET", "a") == b"1"
    assert client("TTL", "a") == 100
    assert client("DBSIZE") == 1


def test_move_does_not_overwrite(client: Client) -> None:
    client("SET", "a", "1")
    put(client.driver, b"a", b"5", database=5)
    assert client("MOVE", "a", "5") == 0
    assert client("GET", "a") == b"1"
    client("SELECT", "5")
    assert client("GET", "a") == b"5"


def test_move_of_nothing_changes_nothing(client: Client) -> None:
    assert client("MOVE", "a", "5") == 0
    assert client.events == []


@pytest.mark.parametrize(
    ("database", "error"),
    [
        ("x", b"-ERR value is not an integer or out of range"),
        ("16", b"-ERR DB index is out of range"),
        ("0", b"-ERR source and destination objects are the same"),
    ],
)
def test_move_refuses(client: Client, database: str, error: bytes) -> None:
    client("SET", "a", "1")
    assert client("MOVE", "a", database) == error
    assert client("GET", "a") == b"1"


# Transactions


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        (("COPY", "a", "b", "DB", "3"), 1),
        (("COPY", "a", "taken", "DB", "3"), 0),
        (("COPY", "a", "taken", "REPLACE", "DB", "3"), 1),
        (("COPY", "a", "taken", "DB", "0"), 1),
        (("COPY", "a", "b", "DB", "1", "DB", "3"), 1),
        (("COPY", "a", "b", "DB", "99"), None),
        (("COPY", "a", "b", "DB", "x"), None),
        (("COPY", "a", "b", "FOO"), None),
        (("MOVE", "a", "3"), 1),
        (("MOVE", "taken2", "3"), 0),
        (("MOVE", "none", "3"), 0),
        (("MOVE", "a", "99"), None),
        (("MOVE", "a", "x"), None),
    ],
)
@pytest.mark.parametrize("selects", [False, True])
def test_another_database_is_looked_into_before_a_transaction_starts(
    driver: Driver, words: tuple[str, ...], reply: int | None, selects: bool
) -> None:
    for key in (b"a", b"taken2"):
        driver.engine.keyspaces[0].put(key, HUGE, 0, b"set")
    for key in (b"taken", b"taken2"):
        driver.engine.keyspaces[3].put(key, HUGE, 0, b"set")
    driver.evict_all()
    if selects:
        driver.run("SELECT", "2")
    driver.run("MULTI")
    driver.run("SELECT", "0")
    driver.run(*words)
    replies = driver.run("EXEC")
    assert isinstance(replies, list)
    if reply is not None:
        assert replies[1] == reply
    assert driver.engine.loader.blocking_loads == 0
    assert payload_reads(driver) <= 1, "of the destination only the head is of interest"


def test_another_database_is_looked_into_at_once(driver: Driver) -> None:
    for words in (("COPY", "a", "b", "DB", "3"), ("MOVE", "a", "3")):
        driver.engine.keyspaces[0].put(b"a", HUGE, 0, b"set")
        driver.evict_all()
        assert driver.run(*words) == 1
        assert driver.engine.core.stats.cache_faults == 0


# Values that are containers


def test_existence_and_type_of_a_container_do_not_load_it(driver: Driver) -> None:
    driver.run("SADD", "s", *range(10_000))
    for words, reply in (
        (("TYPE", "s"), b"set"),
        (("EXISTS", "s", "none"), 1),
        (("TOUCH", "s", "none"), 1),
        (("EXPIRE", "s", "100"), 1),
        (("TTL", "s"), 100),
        (("OBJECT", "REFCOUNT", "s"), 1),
        (("PERSIST", "s"), 1),
        (("DEL", "s", "none"), 1),
    ):
        driver.evict_all()
        assert driver.run(*words) == reply
    driver.evict_all()
    assert driver.run("EXISTS", "s") == 0
    assert payload_reads(driver) == 0


def test_a_container_is_one_key_whatever_happens_to_it(client: Client) -> None:
    client("SADD", "s", *range(3000))
    client("EXPIRE", "s", "100")
    assert client("TOUCH", "s") == 1
    assert client("RENAMENX", "s", "t") == 1
    assert client.events == [(b"rename_from", b"s"), (b"rename_to", b"t")]
    assert client("COPY", "t", "s") == 1
    assert client.events == [(b"copy_to", b"s")]
    client("SREM", "s", "1")
    assert client("SCARD", "t") == 3000
    assert client("MOVE", "t", "5") == 1
    assert client.events == [(b"move_from", b"t"), (b"move_to", b"t")]
    assert client("UNLINK", "s", "t") == 1
    assert client("DBSIZE") == 0
    client("SELECT", "5")
    assert client("SCARD", "t") == 3000
    assert client("TTL", "t") == 100
    client("SET", "t", "text")
    assert client("TYPE", "t") == b"string"
    client.driver.evict_all()
    assert client("GET", "t") == b"text"


# Values that are objects


@pytest.mark.skipif(dscache.is_compiled(), reason="compiled classes cannot be subclassed here")
def test_objects_are_moved_by_rename_and_copied_by_copy() -> None:
    class Counter(Value):
        copies = 0

        def type_code(self) -> int:
            return LIST

        def size_bytes(self) -> int:
            return 100

        def encode(self) -> bytes:
            return b""

        def copy(self) -> Counter:
            Counter.copies += 1
            return Counter()

    driver = Driver()
    keyspace = driver.session.keyspace
    value = Counter()
    keyspace.put(b"a", value, 0, b"rpush")
    assert driver.run("TYPE", "a") == b"list"
    driver.run("RENAME", "a", "b")
    assert keyspace.for_read(b"b") is value
    driver.run("MOVE", "b", "1")
    assert driver.engine.keyspaces[1].for_read(b"b") is value
    assert Counter.copies == 0
    driver.run("SELECT", "1")
    driver.run("COPY", "b", "c")
    assert Counter.copies == 1
    copied = driver.engine.keyspaces[1].for_read(b"c")
    assert isinstance(copied, Counter)
    assert copied is not value


# OBJECT


@pytest.mark.parametrize(
    ("value", "encoding"),
    [
        (b"0", b"int"),
        (b"-9223372036854775808", b"int"),
        (b"9223372036854775808", b"embstr"),
        (b"007", b"embstr"),
        (b"", b"embstr"),
        (b"x" * 44, b"embstr"),
        (b"x" * 45, b"raw"),
        (HUGE, b"raw"),
    ],
)
def test_object_encoding_names_what_redis_would_use(
    client: Client, value: bytes, encoding: bytes
) -> None:
    client("SET", "a", value)
    assert client("OBJECT", "ENCODING", "a") == encoding


def test_a_long_string_that_was_changed_in_place_is_raw(client: Client) -> None:
    client("SET", "a", HUGE)
    client("APPEND", "a", "y")
    assert client("OBJECT", "encoding", "a") == b"raw"


@pytest.mark.parametrize("count", [3, 100, 5000])
def test_object_encoding_of_a_container_is_its_own(client: Client, count: int) -> None:
    client("SADD", "integers", *range(count))
    client("SADD", "words", *(f"word{number}" for number in range(count)))
    assert client("OBJECT", "ENCODING", "integers") == (b"intset" if count < 5000 else b"hashtable")
    assert client("OBJECT", "ENCODING", "words") == (b"listpack" if count < 5000 else b"hashtable")
    client("CONFIG", "SET", "set-max-listpack-entries", "2")
    assert client("OBJECT", "ENCODING", "words") == b"hashtable"


def test_object_encoding_in_a_transaction_waits_for_containers_before_it_starts(
    driver: Driver,
) -> None:
    driver.run("SADD", "s", *(f"word{number}" for number in range(5000)))
    put(driver, b"huge", HUGE)
    driver.evict_all()
    driver.run("MULTI")
    driver.run("OBJECT", "ENCODING", "s")
    driver.run("OBJECT", "ENCODING", "huge")
    driver.run("OBJECT", "ENCODING", "missing")
    assert driver.run("EXEC") == [b"hashtable", b"raw", None]
    assert driver.engine.loader.blocking_loads == 0
    assert payload_reads(driver) == 1, "a string's encoding is told by its length"


@pytest.mark.parametrize("word", ["ENCODING", "FREQ", "IDLETIME", "REFCOUNT"])
def test_object_answers_null_for_a_missing_key(client: Client, word: str) -> None:
    assert client("OBJECT", word, "missing") is None


def test_object_refcount_is_one(client: Client) -> None:
    client("SET", "a", "1")
    assert client("OBJECT", "REFCOUNT", "a") == 1


def test_object_idletime_is_the_seconds_since_the_last_use(driver: Driver) -> None:
    driver.run("SET", "a", "1")
    driver.advance(100)
    driver.engine.tick()
    assert driver.run("OBJECT", "IDLETIME", "a") == 100
    assert driver.run("OBJECT", "IDLETIME", "a") == 100, "to ask for it is no use"
    driver.run("TTL", "a")
    driver.run("TYPE", "a")
    assert driver.run("OBJECT", "IDLETIME", "a") == 100
    driver.run("GET", "a")
    assert driver.run("OBJECT", "IDLETIME", "a") == 0
    driver.advance(7)
    driver.engine.tick()
    driver.run("TOUCH", "a")
    assert driver.run("OBJECT", "IDLETIME", "a") == 0


def test_object_idletime_starts_again_when_a_key_is_loaded(driver: Driver) -> None:
    driver.run("SET", "a", "1")
    driver.advance(100)
    driver.engine.tick()
    driver.flush()
    driver.evict_all()
    assert driver.run("OBJECT", "IDLETIME", "a") == 0


def test_object_idletime_is_refused_under_lfu(client: Client) -> None:
    client("SET", "a", "1")
    client("CONFIG", "SET", "cache-policy", "lfu")
    reply = client("OBJECT", "IDLETIME", "a")
    assert isinstance(reply, bytes)
    assert reply.startswith(b"-ERR An LFU maxmemory policy is selected, idle time not tracked.")


def test_object_freq_needs_the_lfu_policy(client: Client) -> None:
    client("SET", "a", "1")
    reply = client("OBJECT", "FREQ", "a")
    assert isinstance(reply, bytes)
    assert reply.startswith(
        b"-ERR An LFU maxmemory policy is not selected, access frequency not tracked."
    )
    assert b"cache-policy" in reply


def test_object_freq_is_the_counter_of_lfu() -> None:
    driver = Driver(cache_policy="lfu", lfu_log_factor="0")
    driver.run("SET", "a", "1")
    assert driver.run("OBJECT", "FREQ", "a") == 5
    driver.flush()
    assert driver.run("OBJECT", "FREQ", "a") == 5
    for _ in range(3):
        driver.run("GET", "a")
    assert driver.run("OBJECT", "FREQ", "a") == 8, "OBJECT itself is no use of the key"
    driver.run("SET", "a", "2")
    assert driver.run("OBJECT", "FREQ", "a") == 9, "a new value is a use of the key"
    driver.run("DEL", "a")
    driver.run("SET", "a", "3")
    assert driver.run("OBJECT", "FREQ", "a") == 5
    driver.evict_all()
    assert driver.run("OBJECT", "FREQ", "a") == 5, "memory has forgotten it meanwhile"
    driver.close()


def test_object_has_help_and_refuses_what_it_does_not_know(driver: Driver) -> None:
    lines = driver.run("OBJECT", "HELP")
    assert isinstance(lines, list)
    texts = [line.text for line in lines if isinstance(line, Status)]
    assert len(texts) == len(lines)
    for word in (b"ENCODING", b"FREQ", b"IDLETIME", b"REFCOUNT", b"HELP"):
        assert any(text.startswith(word) for text in texts)
    assert driver.run("OBJECT", "FOO", "a") == (b"-ERR unknown subcommand 'FOO'. Try OBJECT HELP.")
    assert driver.run("OBJECT", "FREQ") == (
        b"-ERR wrong number of arguments for 'object|freq' command"
    )
    assert driver.run("OBJECT") == b"-ERR wrong number of arguments for 'object' command"


# The 2011 list


def test_keys_that_are_on_disk_only_count_as_existing(driver: Driver) -> None:
    for number in range(20):
        put(driver, b"%d" % number, b"old")
    for command, reply in (
        (("SETNX", "0", "new"), 0),
        (("RENAME", "1", "one"), b"OK"),
        (("DEL", "2"), 1),
        (("EXPIRE", "3", "100"), 1),
        (("RENAMENX", "4", "5"), 0),
        (("EXISTS", "6", "7", "20"), 2),
    ):
        driver.evict_all()
        assert driver.run(*command) == reply
    driver.evict_all()
    assert driver.run("GET", "0") == b"old"
    assert driver.run("GET", "one") == b"old"
    assert driver.run("TTL", "3") == 100
    assert driver.run("EXISTS", "1", "2") == 0
    assert driver.run("DBSIZE") == 19
