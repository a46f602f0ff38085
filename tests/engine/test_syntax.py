"""The grammar of syntax strings: what users read and what COMMAND DOCS answers are the same thing."""

from __future__ import annotations

import pytest

from dscache.commands import all_registries
from dscache.commands.table import build_table
from dscache.engine.keyspec import KeySpec
from dscache.engine.syntax import Argument, displayed, parse_syntax


def shown(argument: Argument) -> str:
    """An argument in one line: flags, token, name and type, parts in parentheses, versions.

    ``?`` optional, ``*`` multiple, ``**`` multiple with its token.
    """
    versions = f"@{argument.since}" if argument.since else ""
    if argument.deprecated_since:
        versions += f"!{argument.deprecated_since}"
    return _shown(argument) + versions


def _shown(argument: Argument) -> str:
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


def test_what_is_optional_behind_a_token_stands_beside_its_argument() -> None:
    assert tree("key [COUNT count [ANY]] [FULL [COUNT count]]") == [
        "key:key",
        "?block count-block(COUNT=count:integer, ?ANY)",
        "?block full-block(FULL, ?COUNT=count:integer)",
    ]


def test_a_group_keeps_a_token_to_one_argument() -> None:
    syntax = "<<BYRADIUS radius> <M | KM> | <BYBOX width> height <M | KM>>"
    assert tree(syntax) == [
        (
            "oneof by(block circle(BYRADIUS=radius:double, oneof unit(M, KM)),"
            " block box(BYBOX=width:double, height:double, oneof unit(M, KM)))"
        )
    ]
    assert displayed(syntax) == "<BYRADIUS radius <M | KM> | BYBOX width height <M | KM>>"


def test_a_token_outside_of_brackets_ends_at_what_is_optional() -> None:
    assert tree("GROUP group consumer [COUNT count] STREAMS key [key ...] id [id ...]") == [
        "GROUP=block group-block(group:string, consumer:string)",
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


def test_a_group_may_be_named_behind_its_brackets() -> None:
    syntax = "<LEFT | RIGHT>:wherefrom <LEFT | RIGHT>:whereto [BITS 8]:width"
    assert tree(syntax) == [
        "oneof wherefrom(LEFT, RIGHT)",
        "oneof whereto(LEFT, RIGHT)",
        "?block width(BITS, 8)",
    ]
    assert displayed(syntax) == "<LEFT | RIGHT> <LEFT | RIGHT> [BITS 8]"


def test_a_single_argument_with_another_name_is_displayed_as_before() -> None:
    [argument] = parse_syntax("[GET pattern [GET pattern ...]]:get-pattern", [])
    assert shown(argument) == "?**GET=get-pattern:pattern"
    assert argument.display_text == "pattern"


def test_arguments_know_the_versions_that_brought_them() -> None:
    syntax = "[EX seconds@2.6.12 | KEEPTTL@6.0.0] [LIMIT offset count]@6.2.0 <id:string!2.8.0>:old"
    assert tree(syntax) == [
        "?oneof expiration(EX=seconds:integer@2.6.12, KEEPTTL@6.0.0)",
        "?LIMIT=block limit(offset:integer, count:integer)@6.2.0",
        "old:string!2.8.0",
    ]
    assert displayed(syntax) == "[EX seconds | KEEPTTL] [LIMIT offset count] id"


def test_keys_know_their_specification() -> None:
    first = KeySpec(1, access="RO")
    elsewhere = KeySpec(access="RO", finder=lambda args: [])
    stored = KeySpec(access="OW", keyword="STORE")
    key, pattern, destination = parse_syntax(
        "key [BY pattern] [STORE destination]", [first, elsewhere, stored]
    )
    assert (key.key_spec, pattern.key_spec, destination.key_spec) == (0, 1, 2)


def test_a_pattern_is_no_key_where_the_arguments_tell_all_keys() -> None:
    key, pattern = parse_syntax("key [MATCH pattern]", [KeySpec(1, access="RO")])
    assert (key.key_spec, pattern.key_spec) == (0, -1)


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
        ("[a]:b:c", "neither a name nor versions"),
        ("[a]@new", "no version"),
        ("key [key ...]@6.2.0", "no name or version of its own"),
    ],
)
def test_a_mistake_is_refused(syntax: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_syntax(syntax, [])


def test_the_syntax_of_every_command_can_be_parsed() -> None:
    for command in build_table(all_registries()).all():
        for argument in parse_syntax(command.arguments, command.keys):
            assert argument.name, command.name
