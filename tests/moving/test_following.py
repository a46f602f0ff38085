"""Following a server: its file, its stream, and what happens when the connection is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from driver import Driver
from dscache.errors import ConfigError, DscacheError, SourceError
from dscache.moving.following import Follower
from dscache.moving.source import Source
from fake_master import LATER_REPLICATION, REPLICATION, FakeMaster, Replica, file_of
from raw_client import Word, request

MARK = b"0123456789" * 4
FILE = file_of((b"k", b"1", 0))


@pytest.fixture
def driver() -> Iterator[Driver]:
    driver = Driver(databases="4")
    yield driver
    driver.close()


def _follow(
    driver: Driver, *parts: Callable[[Replica], None], until: Callable[[Follower], bool]
) -> Follower:
    """Follow a server that plays ``parts`` until ``until``, or the deadline; who has followed."""
    deadline = time.monotonic() + 30
    with FakeMaster(*parts) as master:
        follower = Follower(driver.engine, Source(master.url), lambda _: None)
        try:
            follower.begin()
            follower.load()
            follower.follow(lambda: until(follower) or time.monotonic() > deadline)
        finally:
            follower.close()
    driver.engine.core.keeps_due = False
    return follower


def _stream(*commands: tuple[Word, ...]) -> bytes:
    return b"".join(request(*words) for words in commands)


def _whole(stream: bytes, file: bytes = FILE) -> Callable[[Replica], None]:
    """Gives ``file`` and ``stream``, and waits for the end."""

    def part(replica: Replica) -> None:
        replica.give_file(file)
        replica.send(stream)
        replica.wait_for_end()

    return part


def _after(commands: int) -> Callable[[Follower], bool]:
    return lambda follower: follower.commands >= commands


def test_the_changes_are_carried_out_after_the_data_set(driver: Driver) -> None:
    stream = _stream(
        ("PING",),
        ("SELECT", 0),
        ("incr", "k"),
        ("SELECT", 3),
        ("MULTI",),
        ("SET", "x", b"\xff\0"),
        ("RPUSH", "l", 1, 2),
        ("EXEC",),
        ("PUBLISH", "c", "nobody hears it"),
        ("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() return 7 end)"),
    )
    follower = _follow(driver, _whole(stream), until=_after(4))
    assert (follower.commands, follower.offset) == (4, 100 + len(stream))
    assert follower.importer.keys == 3
    assert follower.is_idle
    assert driver.run("GET", "k") == b"2"
    assert driver.run("FCALL", "f", 0) == 7
    driver.run("SELECT", 3)
    assert driver.run("GET", "x") == b"\xff\0"
    assert driver.run("LRANGE", "l", 0, -1) == [b"1", b"2"]


@pytest.mark.parametrize("size", [1, 39, 40, 41, 100_000])
def test_a_file_that_is_sent_while_it_is_made_ends_with_its_mark(driver: Driver, size: int) -> None:
    """Whatever the pieces are in which it comes; and what looks like the mark is none."""

    def part(replica: Replica) -> None:
        replica.accept(b"?", b"-1", answer=b"\n+FULLRESYNC %b 0" % REPLICATION)
        sent = b"\n\n$EOF:" + MARK + b"\r\n" + file + MARK + _stream(("INCR", "k"))
        for start in range(0, len(sent), size):
            replica.send(sent[start : start + size])
        replica.wait_for_end()

    file = file_of((b"k", b"1", 0), (b"mark", MARK[:39], 0))
    _follow(driver, part, until=_after(1))
    assert driver.run("GET", "k") == b"2"
    assert driver.run("GET", "mark") == MARK[:39]


def test_a_connection_that_is_lost_goes_on_in_the_middle_of_a_command(driver: Driver) -> None:
    stream = _stream(("SELECT", 0), ("MULTI",), ("INCR", "k"), ("INCR", "k"), ("EXEC",), ("PING",))
    cut = len(stream) - 60

    def first(replica: Replica) -> None:
        replica.give_file(FILE)
        replica.send(stream[:cut])

    def second(replica: Replica) -> None:
        replica.accept(REPLICATION, b"%d" % (101 + cut), answer=b"+CONTINUE " + LATER_REPLICATION)

    def third(replica: Replica) -> None:
        replica.accept(LATER_REPLICATION, b"%d" % (101 + cut), answer=b"-LOADING not yet")

    def fourth(replica: Replica) -> None:
        replica.accept(LATER_REPLICATION, b"%d" % (101 + cut), answer=b"+CONTINUE")
        replica.send(stream[cut:])
        replica.wait_for_end()

    follower = _follow(driver, first, second, third, fourth, until=_after(2))
    assert follower.offset == 100 + len(stream)
    assert driver.run("GET", "k") == b"3"


def test_a_server_that_has_forgotten_the_changes_is_followed_no_longer(driver: Driver) -> None:
    def first(replica: Replica) -> None:
        replica.give_file(FILE)

    def second(replica: Replica) -> None:
        replica.accept(REPLICATION, b"101", answer=b"+FULLRESYNC %b 900" % LATER_REPLICATION)

    with pytest.raises(SourceError, match="does not have the changes after offset 100 any more"):
        _follow(driver, first, second, until=lambda _: False)


def test_it_may_end_while_the_connection_is_lost(driver: Driver) -> None:
    seen: list[bytes] = []

    def first(replica: Replica) -> None:
        replica.give_file(FILE)
        replica.send(_stream(("SELECT", 0), ("INCR", "k")))

    def second(replica: Replica) -> None:
        seen.append(b"came back, in vain")

    follower = _follow(driver, first, second, until=lambda _: bool(seen))
    assert not follower.is_idle
    assert driver.run("GET", "k") == b"2"


def test_who_may_not_ask_is_told_what_is_needed(driver: Driver) -> None:
    def part(replica: Replica) -> None:
        replica.expect(b"REPLCONF", b"capa", b"eof", b"capa", b"psync2")
        replica.send(b"-NOPERM no\r\n-NOPERM no\r\n")
        replica.wait_for_end()

    with pytest.raises(SourceError, match="does not allow it: no; needed are PSYNC and REPLCONF"):
        _follow(driver, part, until=lambda _: False)


def test_it_ends_with_a_whole_transaction(driver: Driver) -> None:
    beginning = _stream(("SELECT", 0), ("MULTI",), ("INCR", "k"))

    def part(replica: Replica) -> None:
        replica.give_file(FILE)
        replica.send(beginning)
        # It is over, and now it has all that came before.
        replica.expect(b"REPLCONF", b"ACK", b"%d" % (100 + len(beginning)))
        replica.send(_stream(("INCR", "k"), ("EXEC",)))
        replica.wait_for_end()

    _follow(driver, part, until=_after(1))
    assert driver.run("GET", "k") == b"3"


def test_the_server_is_told_how_far_we_are(driver: Driver) -> None:
    asked = _stream(("SELECT", 0), ("INCR", "k"), ("REPLCONF", "GETACK", "*"))
    seen: list[bytes] = []

    def part(replica: Replica) -> None:
        replica.give_file(FILE)
        replica.expect(b"REPLCONF", b"ACK", b"100")
        replica.send(asked)
        replica.expect(b"REPLCONF", b"ACK", b"%d" % (100 + len(asked)))
        seen.append(b"told")
        replica.wait_for_end()

    _follow(driver, part, until=lambda _: bool(seen))
    assert seen == [b"told"]


def test_what_is_due_stays_until_the_server_deletes_it(driver: Driver) -> None:
    """What the server did to it before it deleted it was done to the key as it was."""
    past_ms = int(driver.clock.time() * 1000) - 1
    later_ms = past_ms + 100_000
    stream = _stream(
        ("SELECT", 0),
        ("PERSIST", "kept"),
        ("APPEND", "renewed", "!"),
        ("PEXPIREAT", "renewed", later_ms),
        ("SET", "soon", "1", "PXAT", past_ms),
        ("RENAME", "soon", "moved"),
        ("PERSIST", "moved"),
        ("HSET", "h", "f", "1", "g", "1"),
        ("HPEXPIREAT", "h", past_ms, "FIELDS", 1, "f"),
        ("HPERSIST", "h", "FIELDS", 1, "f"),
        ("SET", "k", "1", "PXAT", later_ms),
        ("PEXPIREAT", "k", past_ms),
        ("PERSIST", "k"),
        ("DEL", "gone"),
    )
    file = file_of(*((name, b"1", past_ms) for name in (b"kept", b"renewed", b"gone", b"due")))
    _follow(driver, _whole(stream, file), until=_after(13))
    assert driver.run("MGET", "kept", "renewed", "moved", "k") == [b"1", b"1!", b"1", b"1"]
    assert driver.run("PTTL", "kept") == driver.run("PTTL", "k") == -1
    assert driver.run("PEXPIRETIME", "renewed") == later_ms
    assert driver.run("HGETALL", "h") == {b"f": b"1", b"g": b"1"}
    # Now it is ours, and expires.
    assert driver.run("EXISTS", "gone", "due") == 0


def test_relative_due_times_of_old_servers_begin_when_they_come(driver: Driver) -> None:
    now_ms = int(driver.clock.time() * 1000)
    stream = _stream(("SELECT", 0), ("EXPIRE", "k", 100), ("SETEX", "x", 10, "v"))
    _follow(driver, _whole(stream), until=_after(2))
    assert driver.run("PEXPIRETIME", "k") == now_ms + 100_000
    assert driver.run("PEXPIRETIME", "x") == now_ms + 10_000


def test_changes_are_more_than_memory_holds() -> None:
    driver = Driver(maxmemory="8mb")
    try:
        value = b"v" * 10_000
        stream = _stream(("SELECT", 0), *(("SET", f"k{n % 1500}", value) for n in range(2000)))
        stream += _stream(*(("APPEND", f"k{n}", n) for n in range(1500)))
        _follow(driver, _whole(stream), until=_after(3500))
        residency = driver.engine.residency
        assert int(residency.entries_bytes + residency.saving_bytes) <= 8 << 20
        assert driver.engine.flusher.last_committed > 2
        assert driver.run("GET", "k1499") == value + b"1499"
    finally:
        driver.close()


@pytest.mark.parametrize(
    ("command", "error", "text"),
    [
        (("JSON.SET", "k", "$", "1"), SourceError, r"\(offset \d+\): JSON.SET is no command"),
        (("LPUSH", "k", "1"), SourceError, "cannot be carried out .* LPUSH: WRONGTYPE"),
        (("SELECT", 4), ConfigError, "has a database 4, the configuration only 4: raise"),
        (("SELECT", "x"), SourceError, "sends what is no command"),
    ],
)
def test_what_cannot_be_carried_out_is_an_error_that_names_it(
    driver: Driver, command: tuple[Word, ...], error: type[DscacheError], text: str
) -> None:
    with pytest.raises(error, match=text):
        _follow(driver, _whole(_stream(("SELECT", 0), command)), until=lambda _: False)


def test_a_stream_that_is_no_protocol_is_an_error(driver: Driver) -> None:
    with pytest.raises(SourceError, match="sends what is no command: "):
        _follow(driver, _whole(b"*1\r\nx\r\n"), until=lambda _: False)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"-NOPERM no", "let itself be followed: NOPERM no; needed are PSYNC and REPLCONF"),
        (b"-NOMASTERLINK Can't SYNC", "is not ready: NOMASTERLINK Can't SYNC"),
        (b"+CONTINUE", r"does not let itself be followed: \+CONTINUE"),
    ],
)
def test_a_server_that_does_not_want_to_be_followed_is_an_error(
    driver: Driver, answer: bytes, text: str
) -> None:
    def part(replica: Replica) -> None:
        replica.accept(b"?", b"-1", answer=answer)

    with pytest.raises(SourceError, match=text):
        _follow(driver, part, until=lambda _: False)


def test_a_connection_that_is_lost_in_the_file_is_an_error(driver: Driver) -> None:
    def part(replica: Replica) -> None:
        replica.accept(b"?", b"-1", answer=b"+FULLRESYNC %b 0" % REPLICATION)
        replica.send(b"$%d\r\n%b" % (len(FILE), FILE[:-1]))

    with pytest.raises(SourceError, match="the connection was closed, in the middle of its data"):
        _follow(driver, part, until=lambda _: False)


def test_an_announcement_that_is_none_is_an_error(driver: Driver) -> None:
    def part(replica: Replica) -> None:
        replica.accept(b"?", b"-1", answer=b"+FULLRESYNC %b 0" % REPLICATION)
        replica.send(b"-ERR no disk\r\n")

    with pytest.raises(SourceError, match="sends no data set: -ERR no disk"):
        _follow(driver, part, until=lambda _: False)
