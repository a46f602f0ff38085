"""EVAL and its relatives, and SCRIPT: what keeps and runs scripts is ``dscache.engine.scripting``."""

from __future__ import annotations

from typing import Final

from dscache.commands.arguments import integer
from dscache.commands.help import subcommands_help
from dscache.engine.command import (
    ALLOW_BUSY,
    LOADING,
    MAY_REPLICATE,
    NO_MANDATORY_KEYS,
    NOSCRIPT,
    READONLY,
    SKIP_MONITOR,
    STALE,
    Registry,
)
from dscache.engine.keyspec import KeySpec
from dscache.engine.scripting import NO_SCRIPT, NO_WRITES, Script
from dscache.engine.session import Session
from dscache.engine.waiting import KeysFault
from dscache.errors import CommandError
from dscache.wire.reply import OK

registry: Final = Registry("scripting", "scripting")

RUNNING: Final = NOSCRIPT | STALE | SKIP_MONITOR | NO_MANDATORY_KEYS

_NOTES: Final = "Nobody knows what a script does with its keys, so %s is assumed"
CHANGED: Final = KeySpec(
    2, count_at=0, first=1, access="RW ACCESS UPDATE", notes=_NOTES % "reading and writing"
)
READ: Final = KeySpec(2, count_at=0, first=1, access="RO ACCESS", notes=_NOTES % "reading")
#: As Redis has it, EVALSHA's specifications come without notes.
_CHANGED_BY_SHA: Final = KeySpec(2, count_at=0, first=1, access="RW ACCESS UPDATE")
_READ_BY_SHA: Final = KeySpec(2, count_at=0, first=1, access="RO ACCESS")

_COMPLEXITY: Final = "That of the script"

_DIGEST_LETTERS: Final = 40


def keys_and_arguments(session: Session, args: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """What stands behind a script or function: (keys, arguments). Faults for keys that are not in
    memory. Raises CommandError."""
    count = integer(args[2])
    if count > len(args) - 3:
        raise CommandError(b"ERR Number of keys can't be greater than number of args")
    if count < 0:
        raise CommandError(b"ERR Number of keys can't be negative")
    engine = session.engine
    command = engine.table.get(args[0])
    assert command is not None
    if count > 0 and not engine.core.must_not_fault:
        missing = engine.room.missing_keys(session.keyspace, command, args)
        if missing:
            raise KeysFault(missing)
    if engine.monitors.any:
        # It is going to run; MONITOR sees it before what it calls.
        engine.show(session, command, args, engine.core.clock.time())
    return args[3 : 3 + count], args[3 + count :]


def _evaluate(session: Session, args: list[bytes], flags: int) -> object:
    keys, arguments = keys_and_arguments(session, args)
    scripts = session.engine.scripts
    return scripts.evaluate(session, scripts.of_source(args[1]), keys, arguments, flags)


def _evaluate_known(session: Session, args: list[bytes], flags: int) -> object:
    if len(args[1]) != _DIGEST_LETTERS:
        raise CommandError(NO_SCRIPT)
    keys, arguments = keys_and_arguments(session, args)
    script = _by_sha(session, args[1])
    return session.engine.scripts.evaluate(session, script, keys, arguments, flags)


def _by_sha(session: Session, sha: bytes) -> Script:
    script = session.engine.scripts.find(sha.lower())
    if script is None:
        raise CommandError(NO_SCRIPT)
    return script


@registry.command(
    "EVAL script numkeys [key [key ...]] [arg [arg ...]]",
    arity=-3,
    flags=RUNNING | MAY_REPLICATE,
    keys=[CHANGED],
    since="2.6.0",
    complexity=_COMPLEXITY,
)
def eval_(session: Session, args: list[bytes]) -> object:
    """Runs a Lua script."""
    return _evaluate(session, args, 0)


@registry.command(
    "EVAL_RO script numkeys [key [key ...]] [arg [arg ...]]",
    arity=-3,
    flags=RUNNING | READONLY,
    keys=[READ],
    since="7.0.0",
    complexity=_COMPLEXITY,
)
def eval_ro(session: Session, args: list[bytes]) -> object:
    """Runs a Lua script that must not write."""
    return _evaluate(session, args, NO_WRITES)


@registry.command(
    "EVALSHA sha1 numkeys [key [key ...]] [arg [arg ...]]",
    arity=-3,
    flags=RUNNING | MAY_REPLICATE,
    keys=[_CHANGED_BY_SHA],
    since="2.6.0",
    complexity=_COMPLEXITY,
)
def evalsha(session: Session, args: list[bytes]) -> object:
    """Runs a Lua script that the server knows, by its SHA-1 digest."""
    return _evaluate_known(session, args, 0)


@registry.command(
    "EVALSHA_RO sha1 numkeys [key [key ...]] [arg [arg ...]]",
    arity=-3,
    flags=RUNNING | READONLY,
    keys=[_READ_BY_SHA],
    since="7.0.0",
    complexity=_COMPLEXITY,
)
def evalsha_ro(session: Session, args: list[bytes]) -> object:
    """Runs a Lua script that the server knows and that must not write, by its SHA-1 digest."""
    return _evaluate_known(session, args, NO_WRITES)


@registry.command("SCRIPT", arity=-2, flags=0, since="2.6.0", complexity="Depends on subcommand.")
def script(session: Session, args: list[bytes]) -> object:
    """Looks after the scripts that the server knows."""
    raise AssertionError("SCRIPT without a subcommand is refused by its arity")


@registry.command(
    "EXISTS sha1 [sha1 ...]",
    parent="script",
    arity=-3,
    flags=NOSCRIPT,
    since="2.6.0",
    complexity="O(N) for N digests",
    tips="request_policy:all_shards response_policy:agg_logical_and",
)
def script_exists(session: Session, args: list[bytes]) -> object:
    """Tells for each digest whether the server knows its script."""
    scripts = session.engine.scripts
    return [int(scripts.find(sha.lower()) is not None) for sha in args[2:]]


@registry.command(
    "FLUSH [ASYNC | SYNC]@6.2.0",
    parent="script",
    arity=-2,
    flags=NOSCRIPT,
    since="2.6.0",
    complexity="O(N) for N scripts",
    history=[("6.2.0", "ASYNC and SYNC.")],
    tips="request_policy:all_nodes response_policy:all_succeeded",
)
def script_flush(session: Session, args: list[bytes]) -> object:
    """Forgets all scripts; their memory is freed in the background."""
    if len(args) > 3 or (len(args) == 3 and args[2].upper() not in (b"ASYNC", b"SYNC")):
        raise CommandError(b"ERR SCRIPT FLUSH only support SYNC|ASYNC option")
    session.engine.scripts.flush()
    return OK


@registry.command(
    "HELP", parent="script", arity=2, flags=LOADING | STALE, since="5.0.0", complexity="O(1)"
)
def script_help(session: Session, args: list[bytes]) -> object:
    """Shows these lines."""
    return subcommands_help(session, args)


@registry.command(
    "KILL",
    parent="script",
    arity=2,
    flags=NOSCRIPT | ALLOW_BUSY,
    since="2.6.0",
    complexity="O(1)",
    tips="request_policy:all_shards response_policy:one_succeeded",
)
def script_kill(session: Session, args: list[bytes]) -> object:
    """Ends the script that is running, if it has not written anything."""
    session.engine.scripts.kill(is_function=False)
    return OK


@registry.command(
    "LOAD script",
    parent="script",
    arity=3,
    flags=NOSCRIPT | STALE,
    since="2.6.0",
    complexity="O(N) for a script of N bytes",
    tips="request_policy:all_nodes response_policy:all_succeeded",
)
def script_load(session: Session, args: list[bytes]) -> object:
    """Keeps a script for EVALSHA, without running it, until SCRIPT FLUSH."""
    return session.engine.scripts.load(args[2])


@registry.command(
    "SHOW sha1",
    parent="script",
    arity=3,
    flags=NOSCRIPT,
    since="8.0.0",
    complexity="O(1)",
)
def script_show(session: Session, args: list[bytes]) -> object:
    """Shows the source of a script that the server knows."""
    return _by_sha(session, args[2]).source
