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


def _same_size(ours: object, theirs: object) -> bool:
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs)
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


def _sorted(reply: object) -> object:
    """``reply`` with everything in it in the order of its text."""
    if isinstance(reply, list):
        return sorted(map(_sorted, reply), key=repr)
    if isinstance(reply, dict):
        return {name: _sorted(item) for name, item in reply.items()}
    return reply


def _same_libraries(ours: object, theirs: object) -> bool:
    """FUNCTION LIST in any order, and any FUNCTION DUMP."""
    if isinstance(ours, bytes) and isinstance(theirs, bytes):
        return all(len(reply) >= 10 and reply[:1] != b"-" for reply in (ours, theirs))
    return _sorted(ours) == _sorted(theirs)


def _same_but_for_place(ours: object, theirs: object) -> bool:
    """Ours does not know the line of an error after ``return redis.call(...)`` in a function."""
    if not isinstance(ours, bytes) or not isinstance(theirs, bytes):
        return False
    text = re.fullmatch(rb"(.* script: )(\w+)\.", ours)
    place = rb"(%b, )?on @user_function:\d+\."
    return text is not None and (
        re.fullmatch(re.escape(text[1]) + place % text[2], theirs) is not None
    )


#: What a user is described by in Valkey only, or in Redis only.
_FLAGS_OF_ONE: Final = re.compile(rb" (skip-)?sanitize-payload| alldbs")
#: Names in descriptions of users and entries of ACL LOG whose values are not compared.
_NOT_COMPARED: Final = (
    b"databases",
    b"age-seconds",
    b"client-info",
    b"entry-id",
    b"timestamp-created",
    b"timestamp-last-updated",
)
#: Commands, or those with such subcommands, that only one server has.
_COMMANDS_OF_ONE: Final = re.compile(
    rb"(cache|cluster|client|commandlog|failover|module|script)\|.*|.*(sync|save)|bgrewriteaof|waitaof|asking"
    rb"|backup|cache|cluster|clusterscan|commandlog|delifeq|lolwut|migrate|module|msetex|read(only|write)"
    rb"|repl(conf|icaof)|restore-asking|role|slaveof|failover"
)


def _same_rights(ours: object, theirs: object) -> bool:
    """Replies to ACL without what only one server knows, and without times."""
    return _described(ours) == _described(theirs) or _differ_by_commands_of_one(ours, theirs)


def _described(reply: object) -> object:
    if isinstance(reply, bytes):
        return _FLAGS_OF_ONE.sub(b"", reply)
    if isinstance(reply, dict):
        return {name: _described(item) for name, item in reply.items() if name not in _NOT_COMPARED}
    if isinstance(reply, list):
        kept = [
            _described(item)
            for item, before in zip(reply, [None, *reply], strict=False)
            if item not in _NOT_COMPARED and before not in _NOT_COMPARED
        ]
        return [
            item for item in kept if item not in (b"sanitize-payload", b"skip-sanitize-payload")
        ]
    return reply


def _differ_by_commands_of_one(ours: object, theirs: object) -> bool:
    """Both are lists of commands, in any order."""
    if not isinstance(ours, list) or not isinstance(theirs, list):
        return False
    if not all(isinstance(name, bytes) for name in (*ours, *theirs)):
        return False
    return all(_COMMANDS_OF_ONE.fullmatch(name) for name in set(ours) ^ set(theirs))


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
    **dict.fromkeys(
        ("SINTER", "SUNION", "SDIFF", "SPOP"),
        (_same_in_any_order, "members of a large set have no order"),
    ),
    "SRANDMEMBER": (_same_size, "any members will do"),
    "SMEMBERS": (_same_in_any_order, "members of a set have no order"),
    "HKEYS": (_same_in_any_order, "fields of a large hash have no order"),
    "HVALS": (_same_in_any_order, "fields of a large hash have no order"),
    "HGETALL": (_same_in_any_order, "fields of a large hash have no order"),
    # Drawn with more than there are only: all of them.
    "HRANDFIELD": (_same_in_any_order, "fields of a large hash have no order"),
    **stream_sequences.COMPARISONS,
    "OBJECT": (_same_encoding, "a string has one representation here"),
    "ACL": (_same_rights, "see there"),
    "FCALL": (_same_but_for_place, "docs/scripting.md"),
    "FCALL_RO": (_same_but_for_place, "docs/scripting.md"),
    "FUNCTION": (_same_libraries, "libraries have no order; dumps have different versions"),
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
    *(
        Difference(
            command,
            r"(?s).*",
            r"b\"-ERR One or more scores can't be converted into double\"",
            "there errno of an unrelated number fails it",
        )
        for command in ("SORT", "SORT_RO")
    ),
    Difference(
        "SHUTDOWN",
        r"b'-ERR Command not allowed inside a transaction'",
        r"""b["']-ERR Command 'shutdown' not allowed inside a transaction["']""",
        "Valkey names the command",
    ),
    Difference(
        "GETEX",
        r"None",
        r"""b["']-ERR (invalid expire time in 'getex' command|value is not an integer .*)["']""",
        "Redis 7.4 looks for the key first",
    ),
]


#: Texts of Redis that Valkey has worded anew: what is found in ours, and what stands there instead.
_REWORDED: Final = [
    (re.compile(rb"script: \w+, on @user_"), rb"script: on @user_"),
    (re.compile(rb"Unknown Redis command called"), rb"Unknown command called"),
    (re.compile(rb"args calling Redis command"), rb"args calling command"),
    (re.compile(rb"Lua redis lib command arguments"), rb"Command arguments"),
    (re.compile(rb"for this redis lib call"), rb"for this call"),
    (
        re.compile(rb"Unexpected engine in script shebang: #!(.*)"),
        rb"Could not find scripting engine '\1'",
    ),
    (re.compile(rb"No matching script. Please use EVAL."), rb"No matching script."),
    (re.compile(rb"Error registering functions: ERR (Function already)"), rb"\1"),
    (re.compile(rb"Error registering functions: ERR Library names"), rb"Function names"),
    (re.compile(rb" Redis (instance|configuration)"), rb" \1"),
    (re.compile(rb"This Redis command is not allowed"), rb"This Valkey command is not allowed"),
    (re.compile(rb"redis\.(\w+\(\)|register_function)"), rb"server.\1"),
]


def _reworded(reply: object) -> object:
    """Our reply in Valkey's words. Scripts may show errors anywhere in what they return."""
    if isinstance(reply, bytes):
        for pattern, words in _REWORDED:
            reply = pattern.sub(words, reply)
        return reply
    if isinstance(reply, list):
        return [_reworded(item) for item in reply]
    if isinstance(reply, dict):
        return {_reworded(name): _reworded(item) for name, item in reply.items()}
    return reply


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
    return _same(words, ours, theirs) or _same(words, _reworded(ours), theirs)


def _same(words: tuple[Word, ...], ours: object, theirs: object) -> bool:
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
