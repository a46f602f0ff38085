"""ACL: users and their rights. ``dscache.engine.acl`` does the work; the rules are in ``acl_rules``."""

from __future__ import annotations

import secrets
from typing import Final

from dscache.commands.arguments import integer
from dscache.commands.help import subcommands_help
from dscache.engine.acl_log import LogEntry
from dscache.engine.acl_rules import has_blank
from dscache.engine.acl_user import Selector
from dscache.engine.command import ADMIN, CATEGORIES, LOADING, NOSCRIPT, STALE, Registry
from dscache.engine.errors import arity_error
from dscache.engine.session import Session
from dscache.errors import CommandError
from dscache.wire.reply import OK, SetReply

registry: Final = Registry("server", "")

_ANYTIME: Final = NOSCRIPT | LOADING | STALE
_TO_ALL_NODES: Final = "request_policy:all_nodes response_policy:all_succeeded"

_MAX_PASSWORD_BITS: Final = 4096
_SHOWN_BYTES: Final = 128
_NO_FILE: Final = (
    b"ERR This Redis instance is not configured to use an ACL file. You may want to specify users via "
    b"the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration "
    b"file set) in order to store users in the Redis configuration."
)


@registry.command("ACL", arity=-2, flags=0, since="6.0.0", complexity="Depends on subcommand.")
def acl(session: Session, args: list[bytes]) -> object:
    """Commands about users and what they may do."""
    raise AssertionError("the engine runs a subcommand, or refuses")


def _wrong_use(args: list[bytes]) -> CommandError:
    """For more arguments than a subcommand takes."""
    return CommandError(
        b"ERR unknown subcommand or wrong number of arguments for '"
        + args[1][:_SHOWN_BYTES]
        + b"'. Try ACL HELP."
    )


# Users


@registry.command(
    "SETUSER username [rule [rule ...]]",
    parent="acl",
    arity=-3,
    flags=_ANYTIME | ADMIN,
    since="6.0.0",
    complexity="O(N). Where N is the number of rules provided.",
    history=[
        ("6.2.0", "Patterns of channels."),
        ("7.0.0", "Selectors, and keys that may only be read or written."),
    ],
    tips=_TO_ALL_NODES,
)
def acl_setuser(session: Session, args: list[bytes]) -> object:
    """Changes a user by rules, or makes one: all of them take effect, or none."""
    name = args[2]
    if has_blank(name):
        raise CommandError(b"ERR Usernames can't contain spaces or null characters")
    session.engine.acl.set_user(name, args[3:])
    return OK


@registry.command(
    "DELUSER username [username ...]",
    parent="acl",
    arity=-3,
    flags=_ANYTIME | ADMIN,
    since="6.0.0",
    complexity="O(1) amortized time considering the typical user.",
    tips=_TO_ALL_NODES,
)
def acl_deluser(session: Session, args: list[bytes]) -> object:
    """Deletes users and disconnects their clients; answers how many users there were."""
    users = session.engine.acl
    if users.default.name in args[2:]:
        raise CommandError(b"ERR The 'default' user cannot be removed")
    return sum(users.delete_user(name) for name in args[2:])


@registry.command(
    "GETUSER username",
    parent="acl",
    arity=3,
    flags=_ANYTIME | ADMIN,
    since="6.0.0",
    complexity=(
        "O(N). Where N is the number of password, command and pattern rules that the user has."
    ),
    history=[
        ("6.2.0", "Patterns of channels."),
        ("7.0.0", "Selectors; keys and channels as the rules that lead to them, not as lists."),
    ],
)
def acl_getuser(session: Session, args: list[bytes]) -> object:
    """Describes a user; null if there is none. Of passwords it shows SHA-256 digests."""
    user = session.engine.acl.users.get(args[2])
    if user is None:
        return None
    return {
        b"flags": SetReply(list(user.flags())),
        b"passwords": list(user.passwords),
        **_described(user.root),
        b"selectors": [_described(selector) for selector in user.selectors[1:]],
    }


def _described(selector: Selector) -> dict[bytes, object]:
    return {
        b"commands": selector.commands_text(),
        b"keys": selector.keys_text(),
        b"channels": selector.channels_text(),
    }


@registry.command(
    "LIST",
    parent="acl",
    arity=2,
    flags=_ANYTIME | ADMIN,
    since="6.0.0",
    complexity="O(N). Where N is the number of configured users.",
)
def acl_list(session: Session, args: list[bytes]) -> object:
    """Lists the users with the rules that lead to them, as they stand in a file."""
    users = session.engine.acl.sorted_users()
    return [b"user " + user.name + b" " + user.text() for user in users]


@registry.command(
    "USERS",
    parent="acl",
    arity=2,
    flags=_ANYTIME | ADMIN,
    since="6.0.0",
    complexity="O(N). Where N is the number of configured users.",
)
def acl_users(session: Session, args: list[bytes]) -> object:
    """Lists the names of the users."""
    return [user.name for user in session.engine.acl.sorted_users()]


@registry.command("WHOAMI", parent="acl", arity=2, flags=_ANYTIME, since="6.0.0", complexity="O(1)")
def acl_whoami(session: Session, args: list[bytes]) -> object:
    """Answers the name of the user that this connection acts for."""
    return session.user.name


@registry.command(
    "DRYRUN username command [arg [arg ...]]",
    parent="acl",
    arity=-4,
    flags=_ANYTIME | ADMIN,
    since="7.0.0",
    complexity="O(1).",
)
def acl_dryrun(session: Session, args: list[bytes]) -> object:
    """Tells whether a user might make a request, and if not why, without making it."""
    engine = session.engine
    user = engine.acl.users.get(args[2])
    if user is None:
        raise CommandError(b"ERR User '" + args[2] + b"' not found")
    called = args[3:]
    command = engine.table.find(called)
    if command is None:
        raise CommandError(b"ERR Command '" + called[0] + b"' not found")
    if not command.accepts(len(called)):
        raise CommandError(arity_error(command))
    denial = engine.acl.check_command(user, command, called)
    return OK if denial is None else denial.full_text()


# Files


@registry.command(
    "LOAD",
    parent="acl",
    arity=2,
    flags=_ANYTIME | ADMIN,
    since="6.0.0",
    complexity="O(N). Where N is the number of configured users.",
)
def acl_load(session: Session, args: list[bytes]) -> object:
    """Replaces all users by those in the file of users, if nothing in it is wrong.

    Clients of users that are gone are disconnected, and those subscribed to channels that their users
    may no longer hear.
    """
    _need_file(session)
    session.engine.acl.load()
    return OK


@registry.command(
    "SAVE",
    parent="acl",
    arity=2,
    flags=_ANYTIME | ADMIN,
    since="6.0.0",
    complexity="O(N). Where N is the number of configured users.",
    tips=_TO_ALL_NODES,
)
def acl_save(session: Session, args: list[bytes]) -> object:
    """Writes all users to the file of users; it is replaced at once or not at all.

    Everybody waits for it, as for CONFIG REWRITE.
    """
    _need_file(session)
    session.engine.acl.save()
    return OK


def _need_file(session: Session) -> None:
    if not session.engine.config.aclfile:
        raise CommandError(_NO_FILE)


# The log


@registry.command(
    "LOG [count | RESET]",
    parent="acl",
    arity=-2,
    flags=_ANYTIME | ADMIN,
    since="6.0.0",
    complexity="O(N) with N being the number of entries shown.",
    history=[("7.2.0", "Number of the entry, and when it was made and last changed.")],
)
def acl_log(session: Session, args: list[bytes]) -> object:
    """Shows what was refused lately, the newest first, or forgets it."""
    if len(args) > 3:
        raise _wrong_use(args)
    entries = session.engine.acl.log.entries
    if len(args) == 3 and args[2].lower() == b"reset":
        entries.clear()
        return OK
    count = 10 if len(args) == 2 else max(integer(args[2]), 0)
    now_ms = int(session.engine.core.now_ms)
    return [_entry(entry, now_ms) for entry in list(entries)[:count]]


def _entry(entry: LogEntry, now_ms: int) -> dict[bytes, object]:
    return {
        b"count": entry.count,
        b"reason": entry.reason_name,
        b"context": entry.context,
        b"object": entry.word,
        b"username": entry.user,
        b"age-seconds": (now_ms - entry.updated_ms) / 1000,
        b"client-info": entry.client_info,
        b"entry-id": entry.number,
        b"timestamp-created": entry.created_ms,
        b"timestamp-last-updated": entry.updated_ms,
    }


# Help


@registry.command(
    "CAT [category]",
    parent="acl",
    arity=-2,
    flags=_ANYTIME,
    since="6.0.0",
    complexity="O(1) since the categories and commands are a fixed set.",
)
def acl_cat(session: Session, args: list[bytes]) -> object:
    """Lists the categories of commands, or the commands in one."""
    if len(args) > 3:
        raise _wrong_use(args)
    if len(args) == 2:
        return list(CATEGORIES)
    commands = session.engine.acl.book.category(args[2])
    if commands is None:
        raise CommandError(b"ERR Unknown category '" + args[2][:_SHOWN_BYTES] + b"'")
    return [command.encoded_name for command in commands]


@registry.command(
    "GENPASS [bits]", parent="acl", arity=-2, flags=_ANYTIME, since="6.0.0", complexity="O(1)"
)
def acl_genpass(session: Session, args: list[bytes]) -> object:
    """Makes up a password that nobody guesses, of 256 bits or as many as wanted, four to a letter."""
    if len(args) > 3:
        raise _wrong_use(args)
    bits = 256 if len(args) == 2 else integer(args[2])
    if bits <= 0 or bits > _MAX_PASSWORD_BITS:
        raise CommandError(
            b"ERR ACL GENPASS argument must be the number of bits for the output password, a positive "
            b"number up to %d" % _MAX_PASSWORD_BITS
        )
    letters = (bits + 3) // 4
    return secrets.token_hex((letters + 1) // 2)[:letters]


@registry.command(
    "HELP", parent="acl", arity=2, flags=LOADING | STALE, since="6.0.0", complexity="O(1)"
)
def acl_help(session: Session, args: list[bytes]) -> object:
    """Shows these lines."""
    return subcommands_help(session, args)
