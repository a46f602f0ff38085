"""Arguments without their secrets, for SLOWLOG and MONITOR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dscache.engine.command import Command

_HIDDEN: Final = b"(redacted)"

#: Directives whose value is a password. CONFIG SET refuses those that are only Redis's, and the words stay
#: in the slow log all the same.
_SECRET_DIRECTIVES: Final = (
    b"requirepass",
    b"tls-key-file-pass",
    b"tls-client-key-file-pass",
    b"masterauth",
    b"sentinel-pass",
)
#: Subcommands whose arguments are names of users, and rules with their passwords.
_ABOUT_USERS: Final = ("acl|setuser", "acl|getuser", "acl|deluser")
#: What asks about another command, and where that begins.
_ABOUT_COMMANDS: Final = {"acl|dryrun": 3, "command|getkeys": 2, "command|getkeysandflags": 2}
#: Commands that passwords may be given to.
_TAKE_SECRETS: Final = (b"acl", b"auth", b"config", b"hello")


def redacted(command: Command, args: list[bytes]) -> list[bytes]:
    """``args`` with passwords replaced: where Redis does it, and where it overlooks them. O(arguments)."""
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
    asked = _ABOUT_COMMANDS.get(command.name, len(args))
    if asked < len(args) and args[asked].lower() in _TAKE_SECRETS:
        return [*args[: asked + 1], *([_HIDDEN] * (len(args) - asked - 1))]
    return args
