"""COMMAND: what the server's commands are, told from their declarations.

The shapes are Redis 7's: ten fields for each command in INFO, maps in DOCS, sets where Redis has sets
(``SetReply``: they hold maps, and their order is that of the declaration). A command without a handler
of its own for this exists nowhere: everything comes from the command table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dscache.commands.arguments import syntax_error
from dscache.commands.help import subcommands_help
from dscache.engine.command import (
    FLAG_NAMES,
    LOADING,
    MOVABLEKEYS,
    NO_MANDATORY_KEYS,
    STALE,
    Command,
    Registry,
)
from dscache.engine.glob import compile_glob
from dscache.engine.keyspec import KeySpec
from dscache.engine.session import Session
from dscache.engine.syntax import Argument, parse_syntax
from dscache.errors import CommandError
from dscache.wire.reply import SetReply, Status

registry: Final = Registry("server", "connection")

_ANYTIME: Final = LOADING | STALE
_INVALID_ARGUMENTS: Final = b"ERR Invalid arguments specified for command"
_ACCESS_MODES: Final = ("RO", "RW", "OW", "RM")


@registry.command(
    "COMMAND",
    arity=-1,
    flags=_ANYTIME,
    since="2.8.13",
    complexity="O(N) for N commands in all",
    tips="nondeterministic_output_order",
)
def command_(session: Session, args: list[bytes]) -> object:
    """Describes every command: flags, keys, categories, subcommands."""
    return [_info(command) for command in session.engine.table.parents.values()]


@registry.command(
    "COUNT", parent="command", arity=2, flags=_ANYTIME, since="2.8.13", complexity="O(1)"
)
def count(session: Session, args: list[bytes]) -> object:
    """Tells how many commands there are, subcommands not counted."""
    return len(session.engine.table.parents)


@registry.command(
    "INFO [command-name [command-name ...]]",
    parent="command",
    arity=-2,
    flags=_ANYTIME,
    since="2.8.13",
    complexity="O(N) for N names",
    history=[("7.0.0", "Without names it describes all commands.")],
    tips="nondeterministic_output_order",
)
def info(session: Session, args: list[bytes]) -> object:
    """Describes the named commands, or all; null for a name that is none."""
    if len(args) == 2:
        return command_(session, args)
    found = [session.engine.table.named(name) for name in args[2:]]
    return [None if command is None else _info(command) for command in found]


@registry.command(
    "DOCS [command-name [command-name ...]]",
    parent="command",
    arity=-2,
    flags=_ANYTIME,
    since="7.0.0",
    complexity="O(N) for N names",
    tips="nondeterministic_output_order",
)
def docs(session: Session, args: list[bytes]) -> object:
    """Documents the named commands, or all: what they do and which arguments they take."""
    if len(args) == 2:
        return {command.name: _docs(command) for command in session.engine.table.parents.values()}
    found = [session.engine.table.named(name) for name in args[2:]]
    return {command.name: _docs(command) for command in found if command is not None}


@registry.command(
    "LIST [FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
    parent="command",
    arity=-2,
    flags=_ANYTIME,
    since="7.0.0",
    complexity="O(N) for N commands in all",
    tips="nondeterministic_output_order",
)
def list_(session: Session, args: list[bytes]) -> object:
    """Lists the names of commands and subcommands, all or those that a filter lets through."""
    passes: Callable[[Command], bool] = _everything
    if len(args) > 2:
        if len(args) != 5 or args[2].lower() != b"filterby":
            raise syntax_error()
        passes = _filter(args[3].lower(), args[4])
    return [command.name for command in session.engine.table.all() if passes(command)]


def _everything(command: Command) -> bool:
    return True


def _filter(kind: bytes, wanted: bytes) -> Callable[[Command], bool]:
    if kind == b"module":
        return lambda command: False
    if kind == b"aclcat":
        category = wanted.decode("utf-8", "replace").lower()
        return lambda command: category in command.categories()
    if kind == b"pattern":
        pattern = compile_glob(wanted, True)
        return lambda command: pattern.fullmatch(command.encoded_name) is not None
    raise syntax_error()


@registry.command(
    "GETKEYS command [arg [arg ...]]",
    parent="command",
    arity=-3,
    flags=_ANYTIME,
    since="2.8.13",
    complexity="O(N) for N arguments",
)
def getkeys(session: Session, args: list[bytes]) -> object:
    """Finds the keys in a complete command."""
    called = args[2:]
    found: list[object] = []
    for _, places in _keys_of(session, called):
        found.extend(called[place] for place in places)
    return found


@registry.command(
    "GETKEYSANDFLAGS command [arg [arg ...]]",
    parent="command",
    arity=-3,
    flags=_ANYTIME,
    since="7.0.0",
    complexity="O(N) for N arguments",
)
def getkeysandflags(session: Session, args: list[bytes]) -> object:
    """Finds the keys in a complete command, and what it does with each."""
    called = args[2:]
    found: list[object] = []
    for access, places in _keys_of(session, called):
        found.extend([called[place], _access_flags(access)] for place in places)
    return found


@registry.command(
    "HELP", parent="command", arity=2, flags=_ANYTIME, since="5.0.0", complexity="O(1)"
)
def help_(session: Session, args: list[bytes]) -> object:
    """Shows these lines."""
    return subcommands_help(session, args)


# GETKEYS


def _keys_of(session: Session, called: list[bytes]) -> list[tuple[list[str], list[int]]]:
    """(access, places in ``called``) by key specification. Raises CommandError."""
    command = session.engine.table.find(called)
    if command is None:
        raise CommandError(b"ERR Invalid command specified")
    specs = [spec for spec in command.keys if spec.is_key]
    if not specs:
        raise CommandError(b"ERR The command has no key arguments")
    if not command.accepts(len(called)):
        raise CommandError(b"ERR Invalid number of arguments specified for command")
    try:
        found = [(spec.access_of(called), spec.positions(called)) for spec in specs]
    except ValueError:
        raise CommandError(_INVALID_ARGUMENTS) from None
    # As in Redis, a specification that begins at a fixed place must find keys, also where the command
    # could do without (PFMERGE without sources).
    has_all = all(places for spec, (_, places) in zip(specs, found, strict=True) if spec.index)
    if not command.flags & NO_MANDATORY_KEYS and (
        not has_all or not any(places for _, places in found)
    ):
        raise CommandError(_INVALID_ARGUMENTS)
    return found


# INFO


def _info(command: Command) -> list[object]:
    first, last, step, is_movable = _legacy_range(command.keys)
    flags = int(command.flags)
    if is_movable:
        flags |= MOVABLEKEYS
    return [
        command.encoded_name,
        int(command.arity),
        SetReply([Status(name) for flag, name in FLAG_NAMES if flags & flag]),
        first,
        last,
        step,
        SetReply([Status(b"@" + name.encode()) for name in command.categories()]),
        SetReply(list(command.tips)),
        SetReply([_key_spec(spec) for spec in command.keys]),
        # Redis answers an empty set, and no empty array, where there are none.
        [_info(subcommand) for subcommand in command.subcommands.values()] or SetReply([]),
    ]


def _legacy_range(specs: list[KeySpec]) -> tuple[int, int, int, bool]:
    """(first key, last key, step, whether that is not all) as Redis before 7 described keys.

    Specifications are joined as long as each begins where the one before ends; what cannot be
    joined, or found without looking at the arguments, makes the command's keys movable.
    """
    if not specs:
        return 0, 0, 0, False
    if len(specs) == 1 and _is_plain_range(specs[0]):
        spec = specs[0]
        last = spec.last + spec.index if spec.last >= 0 else spec.last
        return spec.index, last, spec.step, "INCOMPLETE" in spec.access
    first = 0
    last = 0
    is_movable = False
    for spec in specs:
        is_next = first == 0 or last == spec.index - 1
        if not _is_plain_range(spec) or spec.step != 1 or not is_next:
            is_movable = True
            continue
        is_movable = is_movable or "INCOMPLETE" in spec.access
        first = first or spec.index
        last = spec.last + spec.index if spec.last >= 0 else spec.last
    return first, last, 1 if first else 0, is_movable


def _is_plain_range(spec: KeySpec) -> bool:
    return bool(spec.index) and not spec.keyword and spec.count_at < 0


def _key_spec(spec: KeySpec) -> dict[object, object]:
    described: dict[object, object] = {}
    if spec.notes:
        described[b"notes"] = spec.notes
    described[b"flags"] = _access_flags(spec.access)
    if spec.keyword:
        where = {b"keyword": spec.keyword, b"startfrom": spec.start_from}
        described[b"begin_search"] = {b"type": b"keyword", b"spec": where}
    elif spec.index:
        described[b"begin_search"] = {b"type": b"index", b"spec": {b"index": spec.index}}
    else:
        # Only the command itself can tell.
        unknown = {b"type": b"unknown", b"spec": {}}
        described[b"begin_search"] = unknown
        described[b"find_keys"] = unknown
        return described
    if spec.count_at >= 0:
        counted = {
            b"keynumidx": spec.count_at,
            b"firstkey": spec.first,
            b"keystep": spec.step,
        }
        described[b"find_keys"] = {b"type": b"keynum", b"spec": counted}
    else:
        ranged = {b"lastkey": spec.last, b"keystep": spec.step, b"limit": spec.limit}
        described[b"find_keys"] = {b"type": b"range", b"spec": ranged}
    return described


def _access_flags(access: list[str]) -> SetReply:
    names = [word if word in _ACCESS_MODES else word.lower() for word in access]
    return SetReply([Status(name.encode()) for name in names])


# DOCS


def _docs(command: Command) -> dict[object, object]:
    described: dict[object, object] = {
        b"summary": command.summary,
        b"since": command.since,
        b"group": command.group,
    }
    if command.complexity:
        described[b"complexity"] = command.complexity
    if command.is_system:
        described[b"doc_flags"] = SetReply([Status(b"syscmd")])
    if command.deprecated_since:
        described[b"doc_flags"] = SetReply([Status(b"deprecated")])
        described[b"deprecated_since"] = command.deprecated_since
        described[b"replaced_by"] = command.replaced_by
    if command.history:
        described[b"history"] = SetReply([[since, what] for since, what in command.history])
    if command.arguments:
        tree = parse_syntax(command.arguments, command.keys)
        described[b"arguments"] = [_argument(argument) for argument in tree]
    if command.subcommands:
        described[b"subcommands"] = {
            subcommand.name: _docs(subcommand) for subcommand in command.subcommands.values()
        }
    return described


def _argument(argument: Argument) -> dict[object, object]:
    described: dict[object, object] = {b"name": argument.name, b"type": argument.kind}
    if not argument.is_group:
        described[b"display_text"] = argument.display_text
    if argument.key_spec >= 0:
        described[b"key_spec_index"] = argument.key_spec
    if argument.token:
        described[b"token"] = argument.token
    if argument.since:
        described[b"since"] = argument.since
    if argument.deprecated_since:
        described[b"deprecated_since"] = argument.deprecated_since
    flags = [
        Status(name)
        for is_set, name in (
            (argument.is_optional, b"optional"),
            (argument.is_multiple, b"multiple"),
            (argument.repeats_token, b"multiple_token"),
        )
        if is_set
    ]
    if flags:
        described[b"flags"] = SetReply(list(flags))
    if argument.is_group:
        described[b"arguments"] = [_argument(part) for part in argument.parts]
    return described
