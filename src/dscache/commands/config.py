"""CONFIG: the directives of the running server (``dscache.config``) and the reset of its counters."""

from __future__ import annotations

from typing import Final

from dscache.commands.arguments import syntax_error
from dscache.commands.help import subcommands_help
from dscache.engine.command import ADMIN, LOADING, NOSCRIPT, STALE, Registry
from dscache.engine.glob import compile_glob
from dscache.engine.session import Session
from dscache.engine.statistics import reset_statistics
from dscache.errors import CommandError, ConfigError
from dscache.wire.reply import OK

registry: Final = Registry("server", "")

_ANYTIME: Final = ADMIN | NOSCRIPT | LOADING | STALE


@registry.command("CONFIG", arity=-2, flags=0, since="2.0.0", complexity="That of the subcommand")
def config(session: Session, args: list[bytes]) -> object:
    """Commands about the configuration."""
    raise AssertionError("the engine runs a subcommand, or refuses")


@registry.command(
    "GET parameter [parameter ...]",
    parent="config",
    arity=-3,
    flags=_ANYTIME,
    since="2.0.0",
    complexity="O(N) for N directives",
    history=[("7.0.0", "Several names or patterns in one call.")],
)
def config_get(session: Session, args: list[bytes]) -> object:
    """Answers directives and their values; names may be glob patterns."""
    found = session.engine.config.get_matching([_text(arg) for arg in args[2:]], _matches)
    return {_bytes(name): _bytes(value) for name, value in found.items()}


def _matches(pattern: str, name: str) -> bool:
    return compile_glob(_bytes(pattern), ignore_case=True).fullmatch(name.encode()) is not None


@registry.command(
    "SET parameter value [parameter value ...]",
    parent="config",
    arity=-4,
    flags=_ANYTIME,
    since="2.0.0",
    complexity="O(N) for N directives",
    history=[("7.0.0", "Several directives in one call: all of them change, or none.")],
    tips="request_policy:all_nodes response_policy:all_succeeded",
)
def config_set(session: Session, args: list[bytes]) -> object:
    """Changes directives; the change takes effect at once."""
    if len(args) % 2 == 1:
        raise syntax_error()
    words = [_text(arg) for arg in args[2:]]
    try:
        session.engine.config.set_many(list(zip(words[::2], words[1::2], strict=True)))
    except ConfigError as error:
        raise CommandError(_bytes(str(error))) from error
    return OK


@registry.command(
    "RESETSTAT",
    parent="config",
    arity=2,
    flags=_ANYTIME,
    since="2.0.0",
    complexity="O(1)",
    tips="request_policy:all_nodes response_policy:all_succeeded",
)
def config_resetstat(session: Session, args: list[bytes]) -> object:
    """Sets the counters that INFO shows back to zero."""
    reset_statistics(session.engine)
    return OK


@registry.command(
    "REWRITE",
    parent="config",
    arity=2,
    flags=_ANYTIME,
    since="2.8.0",
    complexity="O(1)",
    tips="request_policy:all_nodes response_policy:all_succeeded",
)
def config_rewrite(session: Session, args: list[bytes]) -> object:
    """Writes the present values to the configuration file.

    Everybody waits for it, as in Redis: it is rare, and a file must not show half of a CONFIG SET.
    """
    try:
        session.engine.config.rewrite()
    except ConfigError as error:
        raise CommandError(_bytes(str(error))) from error
    return OK


@registry.command(
    "HELP",
    parent="config",
    arity=2,
    flags=LOADING | STALE,
    since="5.0.0",
    complexity="O(1)",
)
def config_help(session: Session, args: list[bytes]) -> object:
    """Lists the subcommands."""
    return subcommands_help(session, args)


def _text(data: bytes) -> str:
    """As the configuration file is read: any bytes are a text, and come back as the same bytes."""
    return data.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
