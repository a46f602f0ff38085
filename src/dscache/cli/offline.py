"""What the commands that work on a data directory without a server have in common: where it is, and the
configuration that goes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from dscache.config import Config

dir_option = click.option(
    "--dir",
    "directory",
    type=click.Path(),
    metavar="DIR",
    help="The data directory. Default: what CONFIG-FILE says, or else ./dscache-data.",
)
config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(),
    metavar="CONFIG-FILE",
    help="The server's configuration file: databases, maxmemory and the like.",
)
memory_option = click.option(
    "--maxmemory",
    metavar="BYTES",
    help="How much memory it may take, as 256mb or 1gb. Default: what the server would take.",
)


def read_config(config_path: str | None, directory: str | None, maxmemory: str | None) -> Config:
    """The configuration that the options mean. Raises ConfigError."""
    from dscache.config import Config

    options = (("dir", directory), ("maxmemory", maxmemory))
    overrides = [(name, [text]) for name, text in options if text is not None]
    return Config.from_arguments(config_path, overrides)
