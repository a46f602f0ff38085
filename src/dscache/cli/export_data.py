"""``dscache export``: a data directory becomes an RDB file, an append-only file, or JSON."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from dscache.cli.offline import (
    Progress,
    config_option,
    dir_option,
    failed_on,
    memory_option,
    read_config,
    run,
)

if TYPE_CHECKING:
    from dscache.engine.engine import Engine
    from dscache.moving.output import Output


@click.command("export")
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
@click.argument("file", metavar="FILE")
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

    FILE appears when it is complete, and replaces one of that name. Exit codes:
    0 then, 1 when it failed, 2 for a wrong command line.
    """
    run(lambda: _export(directory, config_path, maxmemory, form, file))


def _export(
    directory: str | None, config_path: str | None, maxmemory: str | None, form: str, name: str
) -> None:
    from dscache.moving.exporting import count_keys, export
    from dscache.server.opening import open_committed

    config = read_config(config_path, directory, maxmemory)
    engine = open_committed(config, Path(config.dir))
    try:
        with _Target(name) as target, Progress(name, count_keys(engine), False) as progress:
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
    from dscache.engine.version import REDIS_VERSION
    from dscache.moving.aof import AofWriter
    from dscache.moving.exporting import has_due_fields
    from dscache.moving.json_lines import JsonWriter
    from dscache.rdb.file_writer import FileWriter

    if form == "aof":
        return AofWriter(write)
    if form == "json":
        return JsonWriter(write)
    writer = FileWriter(write, engine.config, has_due_fields(engine))
    writer.about(b"redis-ver", REDIS_VERSION.encode())
    writer.about(b"redis-bits", b"64")
    writer.about(b"ctime", b"%d" % int(engine.core.clock.time()))
    writer.about(b"used-mem", b"%d" % engine.residency.used_bytes())
    writer.about(b"aof-base", b"0")
    return writer


class _Target:
    """The file called ``name``, which is there when it is complete; or standard output for ``-``.

    A context. Raises DscacheError if the file cannot be made.
    """

    def __init__(self, name: str) -> None:
        self.written_bytes = 0
        self._path = None if name == "-" else Path(name)
        self._partial = Path(f"{name}.{os.getpid()}.partial")
        try:
            self._file: BinaryIO = (
                sys.stdout.buffer if self._path is None else self._partial.open("wb")
            )
        except OSError as error:
            raise failed_on(name, error) from error

    def __enter__(self) -> _Target:
        return self

    def __exit__(self, *_: object) -> None:
        if self._path is not None:
            self._file.close()
            self._partial.unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        """More of it."""
        self._file.write(data)
        self.written_bytes += len(data)

    def publish(self) -> None:
        """It is complete."""
        from dscache.files import sync_directory

        self._file.flush()
        if self._path is not None:
            os.fsync(self._file.fileno())
            self._partial.rename(self._path)
            sync_directory(self._path.parent)
