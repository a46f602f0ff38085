"""Where dscache and valkey-server may differ, and why: everything else is a failure.

dscache follows Redis 7.4; the peer is Valkey 9, which went its own way after 7.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from differential import stream_sequences
from raw_client import Word

Same = Callable[[object, object], bool]

# Times that are relative to now differ by what lies between the two servers' carrying them out.
_SLACK_SECONDS: Final = 60


def _both_are_keys(ours: object, theirs: object) -> bool:
    return (ours is None) == (theirs is None)


def _same_encoding(ours: object, theirs: object) -> bool:
    """What Redis embeds, or keeps as a number, depends on the command that made it."""
    strings = (b"int", b"embstr", b"raw")
    return ours == theirs or (ours in strings and theirs in strings)


def _same_in_any_order(ours: object, theirs: object) -> bool:
    if isinstance(ours, list) and isinstance(theirs, list):
        return sorted(map(repr, ours)) == sorted(map(repr, theirs))
    return ours == theirs


def _same_page(ours: object, theirs: object) -> bool:
    """Both have everything in one page: SCAN with a COUNT above the number of keys."""
    if isinstance(ours, list) and isinstance(theirs, list):
        return bool(ours[0] == theirs[0] == b"0") and _same_in_any_order(ours[1], theirs[1])
    return ours == theirs


def _near(slack: int) -> Same:
    def same(ours: object, theirs: object) -> bool:
        if isinstance(ours, int) and isinstance(theirs, int) and ours > 0 and theirs > 0:
            return abs(ours - theirs) <= slack
        return ours == theirs

    return same


def _near_all(slack: int) -> Same:
    """As ``_near``, for replies of one number for each field."""
    same = _near(slack)

    def same_all(ours: object, theirs: object) -> bool:
        if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
            return all(same(one, other) for one, other in zip(ours, theirs, strict=True))
        return ours == theirs

    return same_all


def _same_kind(ours: object, theirs: object) -> bool:
    return type(ours) is type(theirs)


#: By command: how its replies are compared, and why not for equality.
COMPARISONS: Final[dict[str, tuple[Same, str]]] = {
    "RANDOMKEY": (_both_are_keys, "any key will do"),
    "KEYS": (_same_in_any_order, "keys have no order"),
    "SCAN": (_same_page, "keys have no order"),
    "TTL": (_near(_SLACK_SECONDS), "time passes between the two servers"),
    "PTTL": (_near(_SLACK_SECONDS * 1000), "time passes between the two servers"),
    "EXPIRETIME": (_near(_SLACK_SECONDS), "relative times begin when a server sees them"),
    "PEXPIRETIME": (_near(_SLACK_SECONDS * 1000), "relative times begin when a server sees them"),
    "HTTL": (_near_all(_SLACK_SECONDS), "time passes between the two servers"),
    "HPTTL": (_near_all(_SLACK_SECONDS * 1000), "time passes between the two servers"),
    "HEXPIRETIME": (_near_all(_SLACK_SECONDS), "relative times begin when a server sees them"),
    "HPEXPIRETIME": (
        _near_all(_SLACK_SECONDS * 1000),
        "relative times begin when a server sees them",
    ),
    "HSCAN": (_same_page, "fields of a large hash have no order"),
    "SSCAN": (_same_page, "members of a large set have no order"),
    "ZSCAN": (_same_page, "members of a large sorted set have no order"),
    "SMEMBERS": (_same_in_any_order, "members of a set have no order"),
    "HKEYS": (_same_in_any_order, "fields of a large hash have no order"),
    "HVALS": (_same_in_any_order, "fields of a large hash have no order"),
    "HGETALL": (_same_in_any_order, "fields of a large hash have no order"),
    # Drawn with more than there are only: all of them.
    "HRANDFIELD": (_same_in_any_order, "fields of a large hash have no order"),
    **stream_sequences.COMPARISONS,
    "OBJECT": (_same_encoding, "a string has one representation here"),
    "HELLO": (_same_kind, "names and versions of the servers"),
}


class Difference(NamedTuple):
    """Replies that differ on purpose: patterns for the ``repr`` of ours and of theirs."""

    command: str
    ours: str
    theirs: str
    reason: str


DIFFERENCES: Final = [
    *(
        Difference(
            command,
            r"b'-ERR could not decode requested zset member'",
            r"""b["']-ERR member .* does not exist["']""",
            "Valkey names the member",
        )
        for command in ("GEOSEARCH", "GEOSEARCHSTORE", "GEORADIUSBYMEMBER", "GEORADIUSBYMEMBER_RO")
    ),
    Difference("OBJECT", r"b'listpackex'", r"b'hashtable'", "Valkey has no such encoding"),
    Difference(
        "SORT",
        r"(?s).*",
        r"b\"-ERR One or more scores can't be converted into double\"",
        "there errno of an unrelated number fails it",
    ),
    Difference(
        "GETEX",
        r"None",
        r"""b["']-ERR (invalid expire time in 'getex' command|value is not an integer .*)["']""",
        "Redis 7.4 looks for the key first",
    ),
]


def _same_error_up_to_zero_byte(ours: object, theirs: object) -> bool:
    """Where an error quotes what the client sent, in C the quotation ends at its first zero byte."""
    return (
        isinstance(ours, bytes)
        and isinstance(theirs, bytes)
        and ours.startswith(b"-")
        and b"\0" in ours
        and theirs.startswith(ours.partition(b"\0")[0])
    )


def same_reply(words: tuple[Word, ...], ours: object, theirs: object) -> bool:
    """Whether the replies of both servers to one command agree, or may differ."""
    if ours == theirs:
        return True
    name = str(words[0]).upper()
    compare = COMPARISONS.get(name)
    if compare is not None and compare[0](ours, theirs):
        return True
    if _same_error_up_to_zero_byte(ours, theirs):
        return True
    return any(
        one.command == name
        and re.fullmatch(one.ours, repr(ours)) is not None
        and re.fullmatch(one.theirs, repr(theirs)) is not None
        for one in DIFFERENCES
    )
