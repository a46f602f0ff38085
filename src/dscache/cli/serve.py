"""``dscache serve``: run the server."""

from __future__ import annotations

import sys

import click
from click.shell_completion import CompletionItem

#: Exit code when the server cannot start: a bad configuration file, a directory or a port in use.
CANNOT_START = 1
#: Exit code for a command line that is wrong in itself, as click's own.
WRONG_COMMAND_LINE = 2


class _Serve(click.Command):
    """A command whose options are the directives, for shells that complete them."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """What click calls for completions of its command line."""
        from dscache.config.directives import ALL_DIRECTIVES

        found = super().shell_complete(ctx, incomplete)
        if incomplete.startswith("-"):
            names = [f"--{directive.name}" for directive in ALL_DIRECTIVES]
            found += [CompletionItem(name) for name in names if name.startswith(incomplete)]
        return found


@click.command(
    cls=_Serve,
    short_help="Run the server in the foreground.",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    options_metavar="[CONFIG-FILE] [--DIRECTIVE VALUE ...]",
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="")
def serve(words: tuple[str, ...]) -> None:
    """Run the server in the foreground until SIGTERM or SIGINT.

    \b
    Settings come from CONFIG-FILE, in the style of redis.conf, if it is given;
    then from the command line, where every directive can stand as --name value:

    \b
      dscache serve --port 7000 --dir ./data --maxmemory 64mb
      dscache serve /etc/dscache.conf --loglevel verbose
      dscache serve --volatile          a store that is thrown away at exit

    "dscache config" prints all directives with their defaults and what they mean.

    \b
    Exit codes: 0 after a clean shutdown, 1 when the server cannot start (also
    for a mistake in CONFIG-FILE) or could not save everything, 2 for a wrong
    command line.
    """
    from dscache.config import Config, parse_overrides
    from dscache.errors import CommandLineError, DscacheError
    from dscache.server.server import Server

    path = words[0] if words and not words[0].startswith("--") else None
    overrides = words[1:] if path is not None else words
    try:
        config = Config.from_arguments(path, parse_overrides(overrides))
        code = Server(config).run()
    except DscacheError as error:
        click.echo(f"dscache: {error}", err=True)
        code = WRONG_COMMAND_LINE if isinstance(error, CommandLineError) else CANNOT_START
    sys.exit(code)
