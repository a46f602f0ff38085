"""``dscache import``: an RDB file, or what a server has that runs, becomes a data directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from dscache.cli.offline import config_option, dir_option, memory_option, read_config
from dscache.cli.work import Progress, failed_on, run
from dscache.errors import CommandLineError

if TYPE_CHECKING:
    from dscache.config import Config
    from dscache.engine.engine import Engine
    from dscache.moving.importing import Importer
    from dscache.moving.source import Source


@click.command("import", short_help="Make a data directory from an RDB file or a server.")
@dir_option
@config_option
@memory_option
@click.option(
    "--follow",
    "follows",
    is_flag=True,
    help="Of a server: take every change, too, until SIGINT or SIGTERM comes.",
)
@click.argument("source", type=click.Path(), metavar="SOURCE")
def import_data(
    directory: str | None,
    config_path: str | None,
    maxmemory: str | None,
    follows: bool,
    source: str,
) -> None:
    """Make a data directory from SOURCE: an RDB file of Redis or Valkey, or a
    server that runs, as redis://[user:password@]host[:port], rediss://... (TLS)
    or unix://path. The password may stand in REDISCLI_AUTH instead.

    \b
      dscache import --dir ./data /var/lib/redis/dump.rdb
      dscache import --dir ./data redis://old:6379
      dscache serve --dir ./data

    All versions up to that of Redis 7.4, and Valkey 9's, are read, with every
    encoding of values, libraries of functions and due times. Keys that are due
    are left out, as Redis does. Values of modules are refused by name.

    A server is read by SCAN and DUMP, all databases of it. That is not one
    instant: what changes meanwhile comes as it was before or after. With
    --follow the server is asked for its data set as a replica would ask, which
    is one instant, and then for every change, until it is enough: end it with
    SIGINT (Ctrl-C) or SIGTERM, and the directory has what the server had.

    The directory must not have data yet, and no server may run on it. It gets
    everything or, if anything is wrong, nothing. Memory is bounded by
    --maxmemory, however much there is; only a single value is held whole.

    What an append-only file has is taken through RDB: have the old server save
    (dscache cli SAVE) and import that.

    Exit codes: 0 when all is on disk, 1 when it failed, 2 for a wrong command
    line.
    """
    run(lambda: _import(directory, config_path, maxmemory, follows, source))


def _import(
    directory: str | None, config_path: str | None, maxmemory: str | None, follows: bool, name: str
) -> None:
    config = read_config(config_path, directory, maxmemory)
    if "://" in name:
        from dscache.moving.source import Source

        source = Source(name)
        if follows:
            _follow(config, source)
        else:
            _scan(config, source)
    elif follows:
        raise CommandLineError(f"{name} is a file, which nobody changes: --follow needs a server")
    else:
        _read_file(config, name)


@contextmanager
def _filled(config: Config) -> Iterator[Engine]:
    """An engine whose store becomes the data directory, if it is filled without an error."""
    from dscache.server.opening import open_offline
    from dscache.server.staging import StagedDirectory

    with StagedDirectory(Path(config.dir)) as staged:
        engine = open_offline(config, staged.path)
        try:
            yield engine
        finally:
            engine.close()
        staged.publish()


def _read_file(config: Config, name: str) -> None:
    from dscache.moving.importing import Importer
    from dscache.rdb.file_reader import FileReader

    with (
        _opened(name) as file,
        _filled(config) as engine,
        Progress(name, os.fstat(file.fileno()).st_size, True) as progress,
    ):
        reader = FileReader(file.read, name, config.proto_max_bulk_len)
        importer = Importer(engine, lambda: progress.show(reader.offset))
        try:
            importer.run(reader.next_item)
        except OSError as error:
            raise failed_on(name, error) from error
        progress.show(reader.offset)
    _tell(config, importer, progress, reader.empty_keys)


def _opened(name: str) -> BinaryIO:
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise failed_on(name, error) from error


def _scan(config: Config, source: Source) -> None:
    from dscache.moving.importing import Importer
    from dscache.moving.scanning import ServerScan

    with source.connect() as connection:
        scan = ServerScan(connection, source.name)
        scan.begin()
        with _filled(config) as engine, Progress(source.name, scan.total_keys, False) as progress:
            importer = Importer(engine, lambda: progress.show(importer.keys))
            importer.run(scan.next_item, may_repeat=True)
            progress.show(importer.keys)
    _tell(config, importer, progress)


def _follow(config: Config, source: Source) -> None:
    from dscache.cli.following import EndSignal, Status
    from dscache.moving.following import Follower

    with _filled(config) as engine, Status(source.name) as status:
        follower = Follower(engine, source, status.show)
        with closing(follower):
            follower.begin()
            follower.load()
            click.echo(
                f"{source.name}: following from offset {follower.offset} on, with"
                f" {follower.importer.keys} keys; SIGINT or SIGTERM ends it",
                err=True,
            )
            with EndSignal() as end:
                follower.follow(lambda: end.has_come)
    click.echo(
        f"{follower.importer.keys} keys in {config.dir}: what {source.name} had at offset"
        f" {follower.offset}, with {follower.commands} changes that followed"
        + ("" if follower.is_idle else "; more may have been on their way")
    )


def _tell(config: Config, importer: Importer, progress: Progress, empty_keys: int = 0) -> None:
    left_out = [
        f"{count} {what}"
        for count, what in ((importer.expired, "that were due"), (empty_keys, "empty ones"))
        if count
    ]
    click.echo(
        f"{importer.keys} keys and {importer.libraries} libraries of functions in {config.dir}, in"
        f" {progress.seconds():.1f} s ({progress.rate()})"
        + (f"; left out: {', '.join(left_out)}" if left_out else "")
    )
