"""``dscache config``: the annotated configuration file."""

from __future__ import annotations

import click


@click.command()
def config() -> None:
    """Print dscache.conf: every directive with its default and what it means."""
    from dscache.config import annotated_file

    click.echo(annotated_file(), nl=False)
