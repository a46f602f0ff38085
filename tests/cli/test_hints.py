"""Hints and completions follow the syntax of the command that is being typed."""

from __future__ import annotations

import pytest

from dscache.cli.hints import Guide

GUIDE = Guide()


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("get", " key"),
        ("get ", "key"),
        ("GET k ", ""),
        ("no-such-command ", ""),
        ("set k v ", "[NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds |"),
        # An option that was begun comes first; one that was given does not come again.
        ("set k v ex ", "seconds [NX | XX] [GET]"),
        ("set k v ex 10 ", "[NX | XX] [GET]"),
        ("set k v get ex 10 nx ", ""),
        # Options that must come before something cannot come after it.
        ("zadd k ch ", "[NX | XX] [GT | LT] [INCR] score member [score member ...]"),
        ("zadd k 1 ", "member [score member ...]"),
        ("zadd k 1 a ", "[score member ...]"),
        ("mset a ", "value [key value ...]"),
        ("client no-evict ", "<ON | OFF>"),
        ("client no-evict on ", ""),
        ("xread count 2 block ", "milliseconds STREAMS key [key ...] id [id ...]"),
        ("5 getrange k ", "start end"),
        ("5", ""),
        ("get 'a b' too many", ""),
        ('get "a', ""),
    ],
)
def test_what_is_missing_is_shown(line: str, hint: str) -> None:
    shown = GUIDE.hint(line)
    assert shown.startswith(hint)
    assert bool(shown) == bool(hint)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("zrangebys", ["zrangebyscore"]),
        ("ZRANGEBYS", ["ZRANGEBYSCORE"]),
        ("5 zrangebys", ["zrangebyscore"]),
        ("client no-", ["no-evict", "no-touch"]),
        ("client no-touch ", ["ON", "OFF"]),
        ("set k v e", ["ex", "exat"]),
        ("set k v ex ", []),
        ("set k v ex 10 x", ["xx"]),
        ("hset h ", []),
        ("no-such-command ", []),
        ('get "a', []),
    ],
)
def test_words_are_completed_where_only_some_can_come(line: str, words: list[str]) -> None:
    assert [one.word for one in GUIDE.candidates(line)] == words


def test_commands_are_offered_with_what_they_do() -> None:
    (found,) = GUIDE.candidates("getrang")
    assert found.meaning == GUIDE.table.parents["getrange"].summary


def test_every_command_can_be_hinted_at_and_explained() -> None:
    for command in GUIDE.table.all():
        name = command.name.replace("|", " ")
        assert bool(GUIDE.hint(f"{name} ")) == bool(command.arguments), name
        if not command.subcommands:
            assert command.summary.split()[0] in GUIDE.help_on(name.split(" "))


def test_help_on_what_is_no_command_says_so() -> None:
    assert GUIDE.help_on(["nope", "x"]) == "There is no command NOPE X."
