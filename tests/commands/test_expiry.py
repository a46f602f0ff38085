"""TTL, EXPIRE and their relatives: the same wherever the keys are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from places import PLACES, Client

#: Name, unit in ms, whether the time counts from now.
EXPIRES = (
    ("EXPIRE", 1000, True),
    ("PEXPIRE", 1, True),
    ("EXPIREAT", 1000, False),
    ("PEXPIREAT", 1, False),
)
NOT_AN_INTEGER = b"-ERR value is not an integer or out of range"
NOT_TOGETHER = b"-ERR NX and XX, GT or LT options at the same time are not compatible"


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client whose keys are at one place when each command comes."""
    client = Client(request.param)
    yield client
    client.close()


@pytest.mark.parametrize(("command", "unit_ms", "is_relative"), EXPIRES)
def test_a_key_is_due_when_it_was_said(
    client: Client, command: str, unit_ms: int, is_relative: bool
) -> None:
    now_ms = client.now_ms()
    client("SET", "a", "1")
    time = (50_000 + (0 if is_relative else now_ms)) // unit_ms
    assert client(command, "a", time) == 1
    assert client.events == [(b"expire", b"a")]
    assert client("TTL", "a") == 50
    assert client("PTTL", "a") == 50_000
    assert client("EXPIRETIME", "a") == (now_ms + 50_000) // 1000
    assert client("PEXPIRETIME", "a") == now_ms + 50_000
    client.driver.flush()
    client.driver.advance(49.999)
    assert client("PTTL", "a") == 1
    assert client("GET", "a") == b"1"
    client.driver.advance(0.001)
    assert client("GET", "a") is None
    assert client("EXISTS", "a") == 0
    assert client("DBSIZE") == 0


@pytest.mark.parametrize("command", ["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"])
def test_keys_without_a_due_time_and_missing_keys_are_told_apart(
    client: Client, command: str
) -> None:
    client("SET", "a", "1")
    assert client(command, "a") == -1
    assert client(command, "missing") == -2


def test_seconds_are_rounded_to_the_nearest(client: Client) -> None:
    client("SET", "a", "1")
    for left_ms, seconds in ((1499, 1), (1500, 2), (499, 0)):
        client("PEXPIRE", "a", left_ms)
        assert client("TTL", "a") == seconds
    client("PEXPIREAT", "a", "1800000000500")
    assert client("EXPIRETIME", "a") == 1_800_000_001


@pytest.mark.parametrize(("command", "unit_ms", "is_relative"), EXPIRES)
@pytest.mark.parametrize("past", [-1, 0, -(2**63)])
def test_a_time_that_has_passed_deletes_the_key_at_once(
    client: Client, command: str, unit_ms: int, is_relative: bool, past: int
) -> None:
    client("SET", "a", "1", "EX", "100")
    if past < -1 and unit_ms == 1000:
        past = -(2**63 // 1000)
    assert client(command, "a", past) == 1
    assert client.events == [(b"del", b"a")]
    assert client("EXISTS", "a") == 0
    client.driver.evict_all()
    assert client("DBSIZE") == 0


@pytest.mark.parametrize(("command", "unit_ms", "is_relative"), EXPIRES)
def test_a_missing_key_gets_no_due_time(
    client: Client, command: str, unit_ms: int, is_relative: bool
) -> None:
    assert client(command, "missing", "100") == 0
    assert client.events == []


def test_expiry_survives_eviction_and_is_changed_by_the_next(client: Client) -> None:
    client("SET", "a", "1", "EX", "10")
    client("EXPIRE", "a", "20")
    client.driver.evict_all()
    client.driver.advance(11)
    assert client("TTL", "a") == 9
    client("EXPIRE", "a", "1")
    client.driver.evict_all()
    client.driver.advance(1)
    assert client("GET", "a") is None


def test_persist_takes_the_due_time_away(client: Client) -> None:
    client("SET", "a", "1", "EX", "10")
    assert client("PERSIST", "a") == 1
    assert client.events == [(b"persist", b"a")]
    assert client("TTL", "a") == -1
    assert client("PERSIST", "a") == 0
    assert client.events == []
    assert client("PERSIST", "missing") == 0
    client.driver.evict_all()
    client.driver.advance(11)
    assert client("GET", "a") == b"1"


@pytest.mark.parametrize(
    ("present", "option", "new", "reply"),
    [
        (None, "NX", 100, 1),
        (50, "NX", 100, 0),
        (None, "XX", 100, 0),
        (50, "XX", 100, 1),
        (None, "GT", 100, 0),
        (50, "GT", 100, 1),
        (50, "GT", 50, 0),
        (50, "GT", 49, 0),
        (None, "LT", 100, 1),
        (50, "LT", 100, 0),
        (50, "LT", 50, 0),
        (50, "LT", 49, 1),
        (50, "xx gt", 100, 1),
        (None, "XX LT", 100, 0),
        (50, "LT LT", 49, 1),
        (None, "LT", -1, 1),
        (50, "GT", -1, 0),
    ],
)
def test_options_compare_with_the_present_due_time(
    client: Client, present: int | None, option: str, new: int, reply: int
) -> None:
    client("SET", "a", "1")
    if present is not None:
        client("EXPIRE", "a", present)
    assert client("EXPIRE", "a", new, *option.split()) == reply
    if not reply:
        assert client.events == []
        new = -1 if present is None else present
    elif new < 0:
        new = -2
    assert client("TTL", "a") == new


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("EXPIRE", "a", "x"), NOT_AN_INTEGER),
        (("EXPIRE", "a", "1.5"), NOT_AN_INTEGER),
        (("EXPIRE", "a", "9223372036854775808"), NOT_AN_INTEGER),
        (
            ("EXPIRE", "a", "9223372036854775"),
            b"-ERR invalid expire time in 'expire' command",
        ),
        (
            ("EXPIREAT", "a", "-9223372036854776"),
            b"-ERR invalid expire time in 'expireat' command",
        ),
        (
            ("PEXPIRE", "a", "9223372036854775807"),
            b"-ERR invalid expire time in 'pexpire' command",
        ),
        (("EXPIRE", "a", "1", "FOO"), b"-ERR Unsupported option FOO"),
        (("EXPIRE", "a", "x", "foo"), b"-ERR Unsupported option foo"),
        (("EXPIRE", "a", "1", "NX", "XX"), NOT_TOGETHER),
        (("EXPIRE", "a", "1", "NX", "GT"), NOT_TOGETHER),
        (("EXPIRE", "a", "1", "LT", "NX"), NOT_TOGETHER),
        (
            ("EXPIRE", "a", "1", "GT", "LT"),
            b"-ERR GT and LT options at the same time are not compatible",
        ),
    ],
)
def test_expire_refuses(client: Client, words: tuple[str, ...], error: bytes) -> None:
    client("SET", "a", "1")
    assert client(*words) == error
    assert client("TTL", "a") == -1


def test_the_last_moment_that_there_is(client: Client) -> None:
    client("SET", "a", "1")
    assert client("PEXPIREAT", "a", "9223372036854775807") == 1
    client.driver.evict_all()
    assert client("PEXPIRETIME", "a") == 2**63 - 1


def test_an_expired_key_cannot_be_revived(client: Client) -> None:
    client("SET", "a", "1", "PX", "10")
    client.driver.flush()
    client.driver.advance(0.010)
    assert client("EXPIRE", "a", "100") == 0
    assert client("PERSIST", "a") == 0
    assert client("TTL", "a") == -2


def test_ttl_counts_as_a_hit_or_a_miss(client: Client) -> None:
    client("SET", "a", "1")
    stats = client.driver.engine.core.stats
    stats.reset()
    client("TTL", "a")
    client("TTL", "missing")
    assert (stats.keyspace_hits, stats.keyspace_misses) == (1, 1)
