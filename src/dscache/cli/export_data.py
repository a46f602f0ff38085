"""``dscache export``: a data directory becomes an RDB file, an append-only file, or JSON."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dscache.cli.offline import config_option, dir_option, memory_option, read_config
from dscache.cli.work import Progress, failed_on, run

if TYPE_CHECKING:
    from dscache.engine.engine import Engine
    from dscache.moving.output import Output


@click.command("export", short_help="Write a data set as RDB file, commands or JSON.")
@dir_option
@config_option
@memory_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["rdb", "aof", "json"]),
    default="rdb",
    show_default=True,
    help="What FILE is to be.",
)
@click.argument("file", type=click.Path(), metavar="FILE")
def export_data(
    directory: str | None, config_path: str | None, maxmemory: str | None, form: str, file: str
) -> None:
    """Write everything in a data directory to FILE; - is standard output.

    \b
      rdb   a file that Redis and Valkey load at start (dump.rdb), and that
            "dscache import" takes
      aof   commands that make the data anew, for an appendonly.aof or
            "redis-cli --pipe"
      json  one object per line, for other programs

    \b
      dscache export --dir ./data dump.rdb
      dscache export --dir ./data --format json - | jq -r .key

    No server may run on the directory. What its redo log has beyond the store
    is replayed first, as when a server starts. An RDB file is of version 11
    (Redis 7.2, all of Valkey), or of version 12 (Redis 7.4) if there is a hash
    with fields that expire.

    FILE appears when it is complete, and replaces one of that name.

    Exit codes: 0 when it is complete, 1 when it failed, 2 for a wrong command line.
    """
    run(lambda: _export(directory, config_path, maxmemory, form, file))


def _export(
    directory: str | None, config_path: str | None, maxmemory: str | None, form: str, name: str
) -> None:
    from dscache.moving.exporting import count_keys, export
    from dscache.moving.target import Target
    from dscache.server.opening import open_committed

    config = read_config(config_path, directory, maxmemory)
    engine = open_committed(config, Path(config.dir))
    try:
        with Target(name) as target, Progress(name, count_keys(engine), False) as progress:
            try:
                keys = export(engine, _output(form, target.write, engine), progress.show)
                target.publish()
            except OSError as error:
                raise failed_on(name, error) from error
    finally:
        engine.close()
    click.echo(
        f"{keys} keys and {len(engine.functions.libraries)} libraries of functions in"
        f" {progress.seconds():.1f} s ({target.written_bytes} bytes, {progress.rate()})",
        err=True,
    )


def _output(form: str, write: Callable[[bytes], object], engine: Engine) -> Output:
    from dscache.moving.aof import AofWriter
    from dscache.moving.exporting import rdb_output
    from dscache.moving.json_lines import JsonWriter

    if form == "aof":
        return AofWriter(write)
    if form == "json":
        return JsonWriter(write)
    return rdb_output(engine, write)
