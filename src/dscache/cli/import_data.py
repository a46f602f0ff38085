"""``dscache import``: an RDB file becomes a data directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import click

from dscache.cli.offline import config_option, dir_option, memory_option, read_config
from dscache.cli.work import Progress, failed_on, run


@click.command("import", short_help="Make a data directory from an RDB file.")
@dir_option
@config_option
@memory_option
@click.argument("file", type=click.Path(), metavar="FILE")
def import_data(
    directory: str | None, config_path: str | None, maxmemory: str | None, file: str
) -> None:
    """Make a data directory from FILE, an RDB file of Redis or Valkey.

    All versions up to that of Redis 7.4, and Valkey 9's, are read, with every
    encoding of values, libraries of functions and due times. Keys that are due
    are left out, as Redis does. Values of modules are refused by name.

    \b
      dscache import --dir ./data /var/lib/redis/dump.rdb
      dscache serve --dir ./data

    The directory must not have data yet, and no server may run on it. It gets
    everything or, if anything is wrong, nothing. Memory is bounded by
    --maxmemory, however large the file; only a single value is held whole.

    What an append-only file has is taken through RDB: have the old server save
    (dscache cli SAVE) and import that.

    Exit codes: 0 when all is on disk, 1 when it failed, 2 for a wrong command
    line.
    """
    run(lambda: _import(directory, config_path, maxmemory, file))


def _import(
    directory: str | None, config_path: str | None, maxmemory: str | None, name: str
) -> None:
    from dscache.moving.importing import Importer
    from dscache.rdb.file_reader import FileReader
    from dscache.server.opening import open_offline
    from dscache.server.staging import StagedDirectory

    config = read_config(config_path, directory, maxmemory)
    target = Path(config.dir)
    with (
        _opened(name) as file,
        StagedDirectory(target) as staged,
        Progress(name, os.fstat(file.fileno()).st_size, True) as progress,
    ):
        reader = FileReader(file.read, name, config.proto_max_bulk_len)
        engine = open_offline(config, staged.path)
        try:
            importer = Importer(engine, reader, lambda: progress.show(reader.offset))
            importer.run()
        except OSError as error:
            raise failed_on(name, error) from error
        finally:
            engine.close()
        staged.publish()
        progress.show(reader.offset)
    left_out = [
        f"{count} {what}"
        for count, what in ((importer.expired, "that were due"), (reader.empty_keys, "empty ones"))
        if count
    ]
    click.echo(
        f"{importer.keys} keys and {importer.libraries} libraries of functions in {target}, in"
        f" {progress.seconds():.1f} s ({progress.rate()})"
        + (f"; left out: {', '.join(left_out)}" if left_out else "")
    )


def _opened(name: str) -> BinaryIO:
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise failed_on(name, error) from error
