"""``dscache top``: a live view of a server."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from dscache.cli.connecting import connection_options, endpoint_of
from dscache.cli.work import run

if TYPE_CHECKING:
    from dscache.cli.link import Endpoint

_LEAST_INTERVAL: Final = 0.1


@click.command(
    short_help="Watch what it is doing.", context_settings={"help_option_names": ["--help"]}
)
@connection_options("-n", "--db")
@click.option(
    "-i",
    "--interval",
    type=click.FloatRange(_LEAST_INTERVAL),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to look.",
)
@click.option("--once", is_flag=True, help="Look for one interval, print a report, and end.")
@click.pass_context
def top(context: click.Context, interval: float, once: bool) -> None:
    """Show what a server is doing, as it does it.

    \b
    Above:  commands a second, how many lookups memory answers, what the disk is
            asked for; memory against its bound; changes that are not on disk yet;
            how long loads, epochs and syncs of the redo log take; clients
    Below:  the commands that take most time, the clients that wait and what for,
            the biggest keys and those used last, of those that are in memory

    Keys: q quits, p pauses, s sorts the commands by time, calls, or time per call.

    Where output is no terminal, and with --once, one report is printed.

    The view costs the server a few commands each time (INFO, CLIENT LIST, pages of SCAN,
    and a look at 200 keys at most). It brings no key into memory and makes none look used.
    Redis and Valkey are shown as far as their INFO goes. A user for it needs +info +client
    +ping +scan +cache|resident +memory|usage +object +latency|latest ~*; what he may not
    ask is left out.

    Exit codes: 0 when it has been left or the report is printed, 1 when there is no
    connection, 2 for a wrong command line.
    """
    endpoint = endpoint_of(context)
    run(lambda: _top(endpoint, interval, once))


def _top(endpoint: Endpoint, interval: float, once: bool) -> None:
    from dscache.cli.watching import report, watch

    try:
        if once or not sys.stdout.isatty() or not sys.stdin.isatty():
            report(endpoint, interval)
        else:
            watch(endpoint, interval)
    except KeyboardInterrupt:
        pass  # one of the ways to leave it
