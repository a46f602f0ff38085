"""HELP: the same answer for every command that has subcommands, made from their declarations."""

from __future__ import annotations

from dscache.engine.session import Session
from dscache.engine.syntax import displayed
from dscache.wire.reply import Status


def subcommands_help(session: Session, args: list[bytes]) -> object:
    """Syntax and summary of each subcommand of the command that ``args`` calls."""
    parent = session.engine.table.get(args[0])
    assert parent is not None, "HELP is a subcommand of a command in the table"
    lines = []
    for subcommand in parent.subcommands.values():
        lines.append(f"{subcommand.word.upper()} {displayed(subcommand.arguments)}".rstrip())
        lines.append(f"    {subcommand.summary}")
    return help_reply(parent.name, lines)


def help_reply(name: str, lines: list[str]) -> object:
    """``lines`` under the heading of the command ``name``, in the form in which clients show HELP."""
    heading = f"{name.upper()} <subcommand> [<argument> ...]. Subcommands are:"
    return [Status(line.encode()) for line in (heading, *lines)]
