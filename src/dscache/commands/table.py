"""The table of all commands, assembled from the registries of the groups."""

from __future__ import annotations

from dscache.engine.command import CommandTable, Registry


def build_table(registries: list[Registry]) -> CommandTable:
    """A table of the commands in ``registries``; parents come before their subcommands."""
    table = CommandTable()
    declared = [command for registry in registries for command in registry.commands]
    for command in declared:
        if not command.parent:
            table.add(command)
    for command in declared:
        if command.parent:
            table.add(command)
    return table
