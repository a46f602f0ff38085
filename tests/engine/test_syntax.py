"""The grammar of syntax strings: what users read and what COMMAND DOCS answers are the same thing."""

from __future__ import annotations

import pytest

from dscache.commands import all_registries
from dscache.commands.table import build_table
from dscache.engine.keyspec import KeySpec
from dscache.engine.syntax import Argument, displayed, parse_syntax


def shown(argument: Argument) -> str:
    """An argument in one line: flags, token, name and type, parts in parentheses.

    ``?`` optional, ``*`` multiple, ``**`` multiple with its token.
    """
    flags = "?" if argument.is_optional else ""
    if argument.is_multiple:
        flags += "**" if argument.repeats_token else "*"
    token = f"{argument.token}=" if argument.token else ""
    if argument.is_group:
        inner = ", ".join(shown(part) for part in argument.parts)
        return f"{flags}{token}{argument.kind} {argument.name}({inner})"
    if argument.kind == "pure-token":
        return f"{flags}{argument.token}"
    return f"{flags}{token}{argument.name}:{argument.kind}"


def tree(syntax: str, *specs: KeySpec) -> list[str]:
    """The argument tree of ``syntax``, a line for each argument."""
    return [shown(argument) for argument in parse_syntax(syntax, list(specs))]


def test_options_with_alternatives_are_optional_oneofs() -> None:
    assert tree(
        "key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds"
        " | PXAT unix-time-milliseconds | KEEPTTL]"
    ) == [
        "key:key",
        "value:string",
        "?oneof condition(NX, XX)",
        "?GET",
        (
            "?oneof expiration(EX=seconds:integer, PX=milliseconds:integer,"
            " EXAT=unix-time-seconds:unix-time, PXAT=unix-time-milliseconds:unix-time, KEEPTTL)"
        ),
    ]


def test_a_repeated_argument_is_multiple() -> None:
    assert tree("key [key ...]") == ["*key:key"]


def test_a_repeated_pair_is_a_multiple_block() -> None:
    assert tree("key value [key value ...]") == ["*block data(key:key, value:string)"]


def test_an_optional_argument_may_repeat() -> None:
    assert tree("[section [section ...]]") == ["?*section:string"]


def test_a_token_is_repeated_only_if_the_repetition_spells_it() -> None:
    assert tree("key [GET pattern [GET pattern ...]] [WEIGHTS weight [weight ...]]") == [
        "key:key",
        "?**GET=pattern:pattern",
        "?*WEIGHTS=weight:integer",
    ]


def test_a_token_with_several_arguments_is_a_block() -> None:
    assert tree("key [LIMIT offset count] [ASC | DESC] [ALPHA]") == [
        "key:key",
        "?LIMIT=block limit(offset:integer, count:integer)",
        "?oneof order(ASC, DESC)",
        "?ALPHA",
    ]


def test_a_token_first_in_brackets_takes_the_optional_parts_too() -> None:
    assert tree("key [COUNT count [ANY]]") == [
        "key:key",
        "?COUNT=block count(count:integer, ?ANY)",
    ]


def test_a_token_outside_of_brackets_ends_at_what_is_optional() -> None:
    assert tree("GROUP group consumer [COUNT count] STREAMS key [key ...] id [id ...]") == [
        "GROUP=block group(group:string, consumer:string)",
        "?COUNT=count:integer",
        "STREAMS=block streams(*key:key, *id:string)",
    ]


def test_optional_parts_may_stand_in_each_other() -> None:
    assert tree("key bit [start [end [BYTE | BIT]]]") == [
        "key:key",
        "bit:integer",
        ("?block range(start:integer, ?block end-unit-block(end:integer, ?oneof unit(BYTE, BIT)))"),
    ]


def test_required_alternatives_stand_in_angle_brackets() -> None:
    assert tree("key <MAXLEN | MINID> [= | ~] threshold <* | id>") == [
        "key:key",
        "oneof strategy(MAXLEN, MINID)",
        "?oneof operator(=, ~)",
        "threshold:string",
        "oneof id-selector(*, id:string)",
    ]


def test_a_group_repeats_with_a_bare_ellipsis() -> None:
    assert tree("<ip:port | <[ID client-id] | [SKIPME <YES | NO>]> [...]>") == [
        (
            "oneof ip:port-or-client-id-or-mode(ip:port:string,"
            " *oneof client-id-or-mode(?ID=client-id:integer, ?SKIPME=oneof mode(YES, NO)))"
        )
    ]


def test_tokens_may_be_signs() -> None:
    assert tree('host port <key | "">') == [
        "host:string",
        "port:integer",
        'oneof key-or-""(key:key, "")',
    ]


def test_an_explicit_type_beats_the_name_and_is_not_displayed() -> None:
    syntax = "key increment:double [ip:port]"
    assert tree(syntax) == ["key:key", "increment:double", "?ip:port:string"]
    assert displayed(syntax) == "key increment [ip:port]"


def test_keys_know_their_specification() -> None:
    first = KeySpec(1, access="RO")
    elsewhere = KeySpec(access="RO", finder=lambda args: [])
    stored = KeySpec(access="OW", keyword="STORE")
    key, pattern, destination = parse_syntax(
        "key [BY pattern] [STORE destination]", [first, elsewhere, stored]
    )
    assert (key.key_spec, pattern.key_spec, destination.key_spec) == (0, -1, 2)


def test_keys_beyond_the_specifications_belong_to_the_last() -> None:
    one, other = parse_syntax("key1 key2", [KeySpec(1, last=1, access="RO")])
    assert (one.key_spec, other.key_spec) == (0, 0)


@pytest.mark.parametrize(
    ("syntax", "reason"),
    [
        ("[key", "is missing"),
        ("key]", "unexpected"),
        ("<a | >", "an alternative is empty"),
        ("[value ...]", "does not repeat"),
        ("key [value ...]", "does not repeat"),
        ("<a | b]", "is missing"),
        ("a | b", "unexpected"),
    ],
)
def test_a_mistake_is_refused(syntax: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_syntax(syntax, [])


def test_the_syntax_of_every_command_can_be_parsed() -> None:
    for command in build_table(all_registries()).all():
        for argument in parse_syntax(command.arguments, command.keys):
            assert argument.name, command.name
