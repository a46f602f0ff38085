"""Error lines that the engine itself gives, in Redis's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dscache.engine.command import Command

_SHOWN_BYTES: Final = 128

WRONG_TYPE: Final = b"WRONGTYPE Operation against a key holding the wrong kind of value"
SYNTAX: Final = b"ERR syntax error"
NOT_AN_INTEGER: Final = b"ERR value is not an integer or out of range"
NOT_A_FLOAT: Final = b"ERR value is not a valid float"


def unknown_command_error(args: list[bytes]) -> bytes:
    """For a name that is no command's."""
    shown = b""
    for arg in args[1:]:
        if len(shown) >= _SHOWN_BYTES:
            break
        shown += b"'" + arg[: _SHOWN_BYTES - len(shown)] + b"' "
    return (
        b"ERR unknown command '" + args[0][:_SHOWN_BYTES] + b"', with args beginning with: " + shown
    )


def unknown_subcommand_error(command: Command, args: list[bytes]) -> bytes:
    """For a subcommand that its command does not have."""
    name = command.name.upper().encode()
    return b"ERR unknown subcommand '" + args[1][:_SHOWN_BYTES] + b"'. Try " + name + b" HELP."


def arity_error(command: Command) -> bytes:
    """For a request with too few or too many words."""
    return b"ERR wrong number of arguments for '" + command.encoded_name + b"' command"
