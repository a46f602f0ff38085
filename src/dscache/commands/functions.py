"""FUNCTION, FCALL and FCALL_RO: the libraries are in ``dscache.engine.functions``."""

from __future__ import annotations

from typing import Final

from dscache.commands.help import subcommands_help
from dscache.commands.scripting import CHANGED, READ, RUNNING, keys_and_arguments
from dscache.engine.command import (
    ALLOW_BUSY,
    DENYOOM,
    LOADING,
    MAY_REPLICATE,
    NOSCRIPT,
    READONLY,
    STALE,
    WRITE,
    Registry,
)
from dscache.engine.functions import LUA, Library
from dscache.engine.glob import compile_glob
from dscache.engine.session import Session
from dscache.errors import CommandError
from dscache.values.integers import parse_i64
from dscache.wire.reply import OK, SetReply, Status

registry: Final = Registry("scripting", "scripting")

_POLICIES: Final = (b"FLUSH", b"APPEND", b"REPLACE")

_COMPLEXITY: Final = "That of the function"
_ALL_SHARDS: Final = "request_policy:all_shards response_policy:all_succeeded"


def _call(session: Session, args: list[bytes], is_read_only: bool) -> object:
    functions = session.engine.functions
    functions.find(args[1])
    if parse_i64(args[2]) is None:
        raise CommandError(b"ERR Bad number of keys provided")
    keys, arguments = keys_and_arguments(session, args)
    return functions.call(session, args[1], keys, arguments, args, is_read_only)


@registry.command(
    "FCALL function numkeys [key [key ...]] [arg [arg ...]]",
    arity=-3,
    flags=RUNNING | MAY_REPLICATE,
    keys=[CHANGED],
    since="7.0.0",
    complexity=_COMPLEXITY,
)
def fcall(session: Session, args: list[bytes]) -> object:
    """Calls a function of a library."""
    return _call(session, args, False)


@registry.command(
    "FCALL_RO function numkeys [key [key ...]] [arg [arg ...]]",
    arity=-3,
    flags=RUNNING | READONLY,
    keys=[READ],
    since="7.0.0",
    complexity=_COMPLEXITY,
)
def fcall_ro(session: Session, args: list[bytes]) -> object:
    """Calls a function of a library that is declared not to write."""
    return _call(session, args, True)


@registry.command("FUNCTION", arity=-2, flags=0, since="7.0.0", complexity="Depends on subcommand.")
def function(session: Session, args: list[bytes]) -> object:
    """Looks after the libraries of functions, which belong to the data set."""
    raise AssertionError("FUNCTION without a subcommand is refused by its arity")


@registry.command(
    "DELETE library-name",
    parent="function",
    arity=3,
    flags=WRITE | NOSCRIPT,
    since="7.0.0",
    complexity="O(N) for N functions",
    tips=_ALL_SHARDS,
)
def function_delete(session: Session, args: list[bytes]) -> object:
    """Removes a library and its functions."""
    session.engine.functions.delete(args[2])
    return OK


@registry.command(
    "DUMP",
    parent="function",
    arity=2,
    flags=NOSCRIPT,
    since="7.0.0",
    complexity="O(N) for N functions",
)
def function_dump(session: Session, args: list[bytes]) -> object:
    """Serializes all libraries, as Redis does."""
    return session.engine.functions.dump()


@registry.command(
    "FLUSH [ASYNC | SYNC]",
    parent="function",
    arity=-2,
    flags=WRITE | NOSCRIPT,
    since="7.0.0",
    complexity="O(N) for N functions",
    tips=_ALL_SHARDS,
)
def function_flush(session: Session, args: list[bytes]) -> object:
    """Removes all libraries."""
    if len(args) > 3:
        raise CommandError(
            b"ERR unknown subcommand or wrong number of arguments for 'flush'. Try FUNCTION HELP."
        )
    if len(args) == 3 and args[2].upper() not in (b"ASYNC", b"SYNC"):
        raise CommandError(b"ERR FUNCTION FLUSH only supports SYNC|ASYNC option")
    session.engine.functions.flush()
    return OK


@registry.command(
    "HELP", parent="function", arity=2, flags=LOADING | STALE, since="7.0.0", complexity="O(1)"
)
def function_help(session: Session, args: list[bytes]) -> object:
    """Shows these lines."""
    return subcommands_help(session, args)


@registry.command(
    "KILL",
    parent="function",
    arity=2,
    flags=NOSCRIPT | ALLOW_BUSY,
    since="7.0.0",
    complexity="O(1)",
    tips="request_policy:all_shards response_policy:one_succeeded",
)
def function_kill(session: Session, args: list[bytes]) -> object:
    """Ends the function that is running, if it has not written anything."""
    session.engine.scripts.kill(is_function=True)
    return OK


@registry.command(
    "LIST [LIBRARYNAME library-name-pattern:string] [WITHCODE]",
    parent="function",
    arity=-2,
    flags=NOSCRIPT,
    since="7.0.0",
    complexity="O(N) for N functions",
    tips="nondeterministic_output_order",
)
def function_list(session: Session, args: list[bytes]) -> object:
    """Lists libraries and their functions, and with WITHCODE their code."""
    pattern: bytes | None = None
    with_code = False
    place = 2
    while place < len(args):
        option = args[place].upper()
        place += 1
        if option == b"WITHCODE" and not with_code:
            with_code = True
        elif option == b"LIBRARYNAME" and pattern is None:
            if place == len(args):
                raise CommandError(b"ERR library name argument was not given")
            pattern = args[place]
            place += 1
        else:
            raise CommandError(b"ERR Unknown argument " + args[place - 1])
    libraries = session.engine.functions.all_libraries
    if pattern is not None:
        matches = compile_glob(pattern, ignore_case=True).fullmatch
        libraries = [library for library in libraries if matches(library.name)]
    return [_described(library, with_code) for library in libraries]


def _described(library: Library, with_code: bool) -> dict[bytes, object]:
    described: dict[bytes, object] = {
        b"library_name": library.name,
        b"engine": library.language,
        b"functions": [
            {
                b"name": one.name,
                b"description": one.description,
                b"flags": SetReply([Status(flag) for flag in one.flag_names]),
            }
            for one in library.functions.values()
        ],
    }
    if with_code:
        described[b"library_code"] = library.source
    return described


@registry.command(
    "LOAD [REPLACE] function-code",
    parent="function",
    arity=-3,
    flags=WRITE | DENYOOM | NOSCRIPT,
    since="7.0.0",
    complexity="O(1), besides compiling the code",
    tips=_ALL_SHARDS,
)
def function_load(session: Session, args: list[bytes]) -> object:
    """Makes a library of functions from its code."""
    for option in args[2:-1]:
        if option.upper() != b"REPLACE":
            raise CommandError(b"ERR Unknown option given: " + option)
    return session.engine.functions.load(args[-1], replaces=len(args) > 3)


@registry.command(
    "RESTORE serialized-value [FLUSH | APPEND | REPLACE]",
    parent="function",
    arity=-3,
    flags=WRITE | DENYOOM | NOSCRIPT,
    since="7.0.0",
    complexity="O(N) for N functions",
    tips=_ALL_SHARDS,
)
def function_restore(session: Session, args: list[bytes]) -> object:
    """Brings back what FUNCTION DUMP has serialized, all of it or nothing."""
    if len(args) > 4:
        raise CommandError(
            b"ERR unknown subcommand or wrong number of arguments for 'restore'. Try FUNCTION HELP."
        )
    policy = args[3].upper() if len(args) == 4 else b"APPEND"
    if policy not in _POLICIES:
        raise CommandError(
            b"ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE."
        )
    session.engine.functions.restore(args[2], policy)
    return OK


@registry.command(
    "STATS",
    parent="function",
    arity=2,
    flags=NOSCRIPT | ALLOW_BUSY,
    since="7.0.0",
    complexity="O(1)",
    tips="nondeterministic_output request_policy:all_shards response_policy:special",
)
def function_stats(session: Session, args: list[bytes]) -> object:
    """Tells which function is running, and how many there are."""
    engine = session.engine
    run = engine.scripts.running
    running: dict[bytes, object] | None = None
    if run is not None and run.is_function:
        running = {
            b"name": run.name,
            b"command": run.call,
            b"duration_ms": run.milliseconds,
        }
    engines: dict[bytes, dict[bytes, int]] = {LUA: {b"libraries_count": 0, b"functions_count": 0}}
    for library in engine.functions.all_libraries:
        counts = engines.setdefault(
            library.language, {b"libraries_count": 0, b"functions_count": 0}
        )
        counts[b"libraries_count"] += 1
        counts[b"functions_count"] += len(library.functions)
    return {b"running_script": running, b"engines": engines}
