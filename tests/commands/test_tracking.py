"""CLIENT TRACKING, CACHING, TRACKINGINFO and GETREDIR: what they accept and what they show."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from driver import Driver
from dscache.engine.session import Session
from dscache.wire.reply import Message, SetReply, Verbatim

PREFIXES_OVERLAP = b"Prefixes for a single client must not overlap."
NO_SWITCH = (
    b"before disabling tracking for this client, and then re-enabling it with a different mode."
)


@pytest.fixture
def driver() -> Iterator[Driver]:
    """An engine with one client."""
    driver = Driver()
    yield driver
    driver.close()


def tracking(driver: Driver, *words: str | int) -> object:
    """CLIENT TRACKING."""
    return driver.run("CLIENT", "TRACKING", *words)


def info(driver: Driver) -> tuple[list[object], object, object]:
    """CLIENT TRACKINGINFO: flags, redirect, prefixes."""
    reply = driver.run("CLIENT", "TRACKINGINFO")
    assert isinstance(reply, dict)
    assert list(reply) == [b"flags", b"redirect", b"prefixes"]
    flags = reply[b"flags"]
    assert isinstance(flags, SetReply)
    return flags.items, reply[b"redirect"], reply[b"prefixes"]


def listed(driver: Driver, session: Session) -> tuple[str, str]:
    """Flags and redirection in CLIENT LIST."""
    reply = driver.run("CLIENT", "LIST", "ID", session.number)
    assert isinstance(reply, Verbatim)
    fields = dict(field.split("=", 1) for field in reply.text.decode().split())
    return fields["flags"], fields["redir"]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("", b"wrong number of arguments for 'client|tracking' command"),
        ("MAYBE", b"syntax error"),
        ("ON NOPE", b"syntax error"),
        ("OFF NOPE", b"syntax error"),
        ("ON REDIRECT", b"syntax error"),
        ("ON BCAST PREFIX", b"syntax error"),
        ("ON REDIRECT x", b"value is not an integer or out of range"),
        ("ON REDIRECT 0", b"The client ID you want redirect to does not exist"),
        ("ON REDIRECT 99", b"The client ID you want redirect to does not exist"),
        ("ON REDIRECT 1 REDIRECT 1", b"A client can only redirect to a single other client"),
        ("ON PREFIX a", b"PREFIX option requires BCAST mode to be enabled"),
        ("ON BCAST OPTIN", b"OPTIN and OPTOUT are not compatible with BCAST"),
        ("ON BCAST OPTOUT", b"OPTIN and OPTOUT are not compatible with BCAST"),
        ("ON OPTIN OPTOUT", b"You can't specify both OPTIN mode and OPTOUT mode"),
        (
            "ON BCAST PREFIX ab PREFIX b PREFIX a",
            b"Prefix 'ab' overlaps with another provided prefix 'a'. " + PREFIXES_OVERLAP,
        ),
        # Redis gives two replies to this one.
        (
            "ON BCAST PREFIX x PREFIX a PREFIX ab",
            b"Prefix 'a' overlaps with another provided prefix 'ab'. " + PREFIXES_OVERLAP,
        ),
    ],
)
def test_what_makes_no_sense_is_refused(driver: Driver, words: str, error: bytes) -> None:
    assert tracking(driver, *words.split()) == b"-ERR " + error
    assert info(driver) == ([b"off"], -1, [])


def test_modes_can_be_changed_only_through_off(driver: Driver) -> None:
    bcast = b"-ERR You can't switch BCAST mode on/off " + NO_SWITCH
    opt = b"-ERR You can't switch OPTIN/OPTOUT mode " + NO_SWITCH
    assert tracking(driver, "ON", "OPTIN") == b"OK"
    assert tracking(driver, "ON", "BCAST") == bcast
    assert tracking(driver, "ON", "OPTOUT") == opt
    assert tracking(driver, "ON") == tracking(driver, "ON", "OPTOUT", "NOLOOP") == b"OK"
    assert tracking(driver, "ON", "OPTIN") == opt
    assert tracking(driver, "OFF") == tracking(driver, "ON", "BCAST", "PREFIX", "ab") == b"OK"
    assert tracking(driver, "ON") == bcast
    for prefix in ("a", "ab", "abc"):
        assert (
            tracking(driver, "ON", "BCAST", "PREFIX", "x", "PREFIX", prefix)
            == (b"-ERR Prefix '" + prefix.encode() + b"' overlaps with an existing prefix 'ab'. ")
            + PREFIXES_OVERLAP
        )
    assert info(driver) == ([b"on", b"bcast"], 0, [b"ab"])
    assert tracking(driver, "OFF") == tracking(driver, "OFF") == b"OK"


def test_caching_belongs_to_optin_and_optout(driver: Driver) -> None:
    def caching(mode: str) -> object:
        return driver.run("CLIENT", "CACHING", mode)

    only = (
        b"-ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or"
        b" OPTOUT mode enabled"
    )
    not_in = b"-ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode."
    not_out = b"-ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode."
    assert caching("YES") == caching("PERHAPS") == only
    tracking(driver, "ON")
    assert (caching("YES"), caching("NO")) == (not_in, not_out)
    tracking(driver, "ON", "OPTIN")
    assert (caching("YES"), caching("NO")) == (b"OK", not_out)
    assert caching("PERHAPS") == b"-ERR syntax error"
    assert info(driver)[0] == [b"on", b"optin", b"caching-yes"]
    driver.run("PING")
    assert info(driver)[0] == [b"on", b"optin"]
    tracking(driver, "OFF")
    tracking(driver, "ON", "OPTOUT", "NOLOOP")
    assert (caching("YES"), caching("NO")) == (not_in, b"OK")
    assert info(driver)[0] == [b"on", b"optout", b"caching-no", b"noloop"]


def test_what_is_shown_of_tracked_clients(driver: Driver) -> None:
    session = driver.session
    observer, other = driver.new_session(), driver.new_session()
    driver.session = observer
    assert listed(driver, session) == ("N", "-1")
    driver.session = session
    assert driver.run("CLIENT", "GETREDIR") == -1
    tracking(driver, "ON")
    assert driver.run("CLIENT", "GETREDIR") == 0
    assert listed(driver, session) == ("t", "0")
    assert tracking(driver, "ON", "REDIRECT", other.number) == b"OK"
    assert driver.run("CLIENT", "GETREDIR") == other.number
    driver.run("GET", "k")
    driver.engine.end_session(other)
    driver.run("SET", "k", 1)
    assert info(driver) == ([b"on", b"broken_redirect"], other.number, [])
    assert listed(driver, session) == ("tR", str(other.number))
    tracking(driver, "OFF")
    tracking(driver, "ON", "BCAST", "PREFIX", "b", "PREFIX", "a")
    assert info(driver) == ([b"on", b"bcast"], 0, [b"a", b"b"])
    assert listed(driver, session) == ("tB", "0")


def test_reset_ends_tracking(driver: Driver) -> None:
    tracking(driver, "ON", "BCAST")
    driver.run("RESET")
    assert info(driver) == ([b"off"], -1, [])
    assert tracking(driver, "ON") == b"OK"


def test_info_counts_what_is_tracked(driver: Driver) -> None:
    def fields() -> dict[str, str]:
        text = driver.run("INFO")
        assert isinstance(text, Verbatim)
        lines = [line.partition(":") for line in text.text.decode().splitlines()]
        return {name: value for name, _, value in lines if "tracking" in name}

    assert set(fields().values()) == {"0"}
    tracking(driver, "ON")
    driver.run("MGET", "a", "b")
    other = driver.new_session()
    driver.run("CLIENT", "TRACKING", "ON", "BCAST", session=other)
    after = fields()
    assert int(after.pop("mem_tracking")) > 0
    assert after == {
        "tracking_clients": "2",
        "tracking_total_keys": "2",
        "tracking_total_items": "2",
        "tracking_total_prefixes": "1",
    }


@pytest.mark.parametrize("command", ["EVAL", "EVAL_RO"])
def test_of_a_script_is_tracked_what_it_has_read(driver: Driver, command: str) -> None:
    driver.run("HELLO", 3)
    pushed: list[object] = []
    driver.session.push = pushed.append
    tracking(driver, "ON")
    driver.run(command, "return redis.call('PING')", 1, "named")
    driver.run(command, "return redis.call('GET', KEYS[1])", 2, "read", "named")
    driver.run("MSET", "read", 1, "named", 1, session=driver.new_session())
    assert [one.items[1:] for one in pushed if isinstance(one, Message)] == [[b"read"]]
