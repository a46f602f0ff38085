"""``dscache cli``: talk to a server."""

from __future__ import annotations

import sys

import click

from dscache.cli.completion import complete_command_words
from dscache.cli.connecting import connection_options, endpoint_of


@click.command(
    "cli",
    short_help="A prompt for commands; or run one.",
    context_settings={"help_option_names": ["--help"], "allow_interspersed_args": False},
    options_metavar="[OPTIONS]",
)
@connection_options("-n", "--db")
@click.option("-2", "protocol", flag_value=2, type=int, help="Speak RESP2 (the default).")
@click.option("-3", "protocol", flag_value=3, type=int, help="Speak RESP3.")
@click.option("--raw", "form", flag_value="raw", help="Print values alone (the default if piped).")
@click.option("--no-raw", "form", flag_value="formatted", help="Print as for people even if piped.")
@click.option(
    "--json", "form", flag_value="json", help="Print JSON; implies -3 unless -2 is given."
)
@click.argument(
    "words",
    nargs=-1,
    type=click.UNPROCESSED,
    metavar="[COMMAND [ARGUMENT ...]]",
    shell_complete=complete_command_words,
)
@click.pass_context
def cli(
    context: click.Context, protocol: int | None, form: str | None, words: tuple[str, ...]
) -> None:
    """Talk to a server: dscache, Redis or Valkey.

    With COMMAND it runs that command and prints the reply. Without, it asks for commands
    at a prompt, or takes them from standard input, one a line, if that is not a terminal.

    \b
      dscache cli -p 7000 set greeting "hello world"
      dscache cli -u redis://reports:secret@db.example:6379/2
      dscache cli --json hgetall user:1 | jq .name
      printf 'set a 1\\nincr a\\n' | dscache cli

    At the prompt Tab completes commands, subcommands and options, the arguments that
    are still missing are shown in grey, "help COMMAND" explains one. Ctrl-C ends what
    is waited for (SUBSCRIBE, MONITOR, BLPOP), Ctrl-D or "quit" the session, and "5 ping"
    pings five times. "connect HOST PORT" goes to another server. Lines with passwords are
    kept out of the history, the file ~/.dscache_history (or what DSCACHE_HISTORY names).

    Words are quoted as in redis-cli: "..." knows \\n, \\xFF and the like, '...' only \\'.

    \b
    Exit codes: 0 when every command was answered, 1 when a reply was an error or
    there is no connection, 2 for a wrong command line.
    """
    from dscache.cli.conversation import Conversation, run_command, run_lines
    from dscache.cli.rendering import as_json, formatted, raw

    if form is None:
        form = "formatted" if sys.stdout.isatty() else "raw"
    if protocol is None:
        protocol = 3 if form == "json" else 2
    render = {"raw": raw, "formatted": formatted, "json": as_json}[form]
    conversation = Conversation(endpoint_of(context), protocol, render)
    if words:
        sys.exit(run_command(conversation, words))
    if sys.stdin.isatty() and sys.stdout.isatty():
        from dscache.cli.prompt import Prompt

        Prompt(conversation).run()
        return
    sys.exit(run_lines(conversation))
