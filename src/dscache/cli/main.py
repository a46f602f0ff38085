"""``dscache``: the command line's root. Each subcommand is a file of its own."""

from __future__ import annotations

import click

import dscache
from dscache.cli.backup import backup, restore
from dscache.cli.check import check
from dscache.cli.config import config
from dscache.cli.export_data import export_data
from dscache.cli.import_data import import_data
from dscache.cli.serve import serve


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(dscache.__version__, prog_name="dscache")
def main() -> None:
    """A Redis-compatible server whose data set lives on disk; memory is a bounded cache of it."""


main.add_command(serve)
main.add_command(check)
main.add_command(config)
main.add_command(import_data)
main.add_command(export_data)
main.add_command(backup)
main.add_command(restore)
