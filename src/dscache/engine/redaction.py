"""Arguments without their secrets, for SLOWLOG and MONITOR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dscache.engine.command import Command

_HIDDEN: Final = b"(redacted)"

#: Directives whose value is a password.
_SECRET_DIRECTIVES: Final = (b"requirepass", b"tls-key-file-pass")
#: Subcommands whose arguments are names of users, and rules with their passwords.
_ABOUT_USERS: Final = ("acl|setuser", "acl|getuser", "acl|deluser")


def redacted(command: Command, args: list[bytes]) -> list[bytes]:
    """``args`` with passwords replaced, as Redis does it. O(arguments)."""
    if command.name == "auth":
        return [args[0], *([_HIDDEN] * (len(args) - 1))]
    if command.name in _ABOUT_USERS:
        return [*args[:2], *([_HIDDEN] * (len(args) - 2))]
    if command.name == "hello":
        shown = list(args)
        for place, arg in enumerate(args):
            if arg.lower() == b"auth":
                shown[place + 1 : place + 3] = [_HIDDEN] * len(args[place + 1 : place + 3])
        return shown
    if command.name == "config|set":
        shown = list(args)
        for place in range(2, len(args) - 1, 2):
            if args[place].lower() in _SECRET_DIRECTIVES:
                shown[place + 1] = _HIDDEN
        return shown
    return args
