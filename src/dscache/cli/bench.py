"""``dscache bench``: put a load on a server and tell how it answers."""

from __future__ import annotations

import click

from dscache.cli.connecting import connection_options, endpoint_of
from dscache.cli.work import Progress, run


@click.command(
    short_help="Put a load on it and tell how it answers.",
    context_settings={"help_option_names": ["--help"]},
)
@connection_options("--db")
@click.option(
    "-c", "--clients", type=click.IntRange(1), default=50, show_default=True, help="Connections."
)
@click.option(
    "-P",
    "--pipeline",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Requests that a client sends at once.",
)
@click.option(
    "-n",
    "--requests",
    type=click.IntRange(1),
    default=100_000,
    show_default=True,
    help="Requests of all clients together.",
)
@click.option(
    "-r",
    "--keys",
    type=click.IntRange(1),
    default=100_000,
    show_default=True,
    help="Different keys.",
)
@click.option(
    "-d",
    "--bytes",
    "size",
    type=click.IntRange(0),
    default=100,
    show_default=True,
    help="Length of a value.",
)
@click.option(
    "--reads",
    type=click.FloatRange(0, 1),
    default=0.9,
    show_default=True,
    help="Share of GETs; the others are SETs.",
)
@click.option(
    "--distribution",
    type=click.Choice(["uniform", "zipf"]),
    default="uniform",
    show_default=True,
    help="All keys alike, or few of them most of the time.",
)
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Draws the same requests again."
)
@click.pass_context
def bench(
    context: click.Context,
    clients: int,
    pipeline: int,
    requests: int,
    keys: int,
    size: int,
    reads: float,
    distribution: str,
    seed: int,
) -> None:
    """Put a load of SETs and GETs on a server, and tell how quickly it answers.

    \b
      dscache bench -p 7000 --reads 0 -n 1000000 -r 1000000     fill it
      dscache bench -p 7000 --reads 0.9 --distribution zipf      then use it

    It OVERWRITES the keys dscache-bench:0 and so on, and leaves them there: give it a
    database of its own (--db 9) and empty that afterwards.

    With -P a time is that of a whole batch. Times are at most 6 % too high. It is one
    process and a limit itself: 19,000 requests a second, or 105,000 with -P 16, were the most on
    two busy processors. Where it comes near what it can, the figures are its own.

    Exit codes: 0 when every request was answered, 1 when there is no connection, when it was
    lost, or when a reply was an error, 2 for a wrong command line.
    """
    from dscache.cli.load import Load, Mix
    from dscache.errors import DscacheError

    endpoint = endpoint_of(context)
    mix = Mix(reads, keys, size, distribution == "zipf")

    def work() -> None:
        load = Load(endpoint, mix, clients, pipeline, requests, seed)
        try:
            with Progress("requests", requests, False, "requests") as progress:
                load.run(progress.show)
        finally:
            load.close()
        click.echo(
            f"{requests:,} requests in {progress.seconds():.2f} s: {progress.rate()}\n"
            f"{clients} clients, pipeline {pipeline}, {100 * reads:.0f} % reads,"
            f" {keys:,} keys ({distribution}), values of {size:,} bytes"
        )
        slowest_ms = load.slowest_seconds * 1000
        times = [
            # The end of a bucket may lie beyond everything that is in it.
            f"{name} {min(load.latency.quantile(share) / 1000, slowest_ms):.2f} ms"
            for name, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))
        ]
        click.echo(f"{'  '.join(times)}  slowest {slowest_ms:.2f} ms")
        gets = load.found + load.not_found
        if gets:
            click.echo(f"{100 * load.found / gets:.1f} % of {gets:,} GETs found their key")
        if load.errors:
            raise DscacheError(f"{load.errors:,} errors, the first: {load.first_error}")

    run(work)
