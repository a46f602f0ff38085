"""``dscache config``: the annotated configuration file."""

from __future__ import annotations

import click


@click.command(short_help="Print every directive and its default.")
def config() -> None:
    """Print dscache.conf: every directive with its default and what it means.

    \b
      dscache config > dscache.conf      then change what is to be different
      dscache serve dscache.conf

    Exit codes: 0 when it is printed, 2 for a wrong command line.
    """
    from dscache.config import annotated_file

    click.echo(annotated_file(), nl=False)
