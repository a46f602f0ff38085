"""``dscache``: the command line's root. Each subcommand is a file of its own."""

from __future__ import annotations

from typing import Final

import click

import dscache
from dscache.cli.backup import backup, restore
from dscache.cli.bench import bench
from dscache.cli.check import check
from dscache.cli.client import cli
from dscache.cli.completion import completion
from dscache.cli.config import config
from dscache.cli.export_data import export_data
from dscache.cli.import_data import import_data
from dscache.cli.serve import serve
from dscache.cli.top import top

#: The subcommands, by what they are for, in the order in which the help shows them.
_GROUPS: Final = (
    ("Run a server", (serve, config)),
    ("Talk to one that runs", (cli, top, bench)),
    ("Work on a data directory that no server uses", (check, import_data, export_data, backup, restore)),
    ("Set up the shell", (completion,)),
)  # fmt: skip


class _Main(click.Group):
    """A group whose help shows the subcommands in groups."""

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """What click calls for the part of the help that lists the subcommands."""
        longest = max(len(name) for name in self.commands)
        for title, commands in _GROUPS:
            with formatter.section(title):
                limit = formatter.width - 6 - longest
                formatter.write_dl(
                    [
                        ((one.name or "").ljust(longest), one.get_short_help_str(limit))
                        for one in commands
                    ]
                )


@click.group(cls=_Main, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(dscache.__version__, prog_name="dscache")
def main() -> None:
    """A Redis-compatible server whose data set lives on disk; memory is a bounded cache of it.

    \b
      dscache serve --dir ./data --maxmemory 1gb     run a server on port 6379
      dscache cli                                    talk to it

    "dscache COMMAND --help" explains each command, and the exit codes that it has.
    """


for _, _commands in _GROUPS:
    for _command in _commands:
        main.add_command(_command)
