"""``dscache backup`` and ``dscache restore``: copies of a data set, mostly by hard links."""

from __future__ import annotations

from pathlib import Path

import click

from dscache.cli.offline import config_option, dir_option, read_config
from dscache.cli.work import failed_on, run


@click.command(short_help="Copy a data directory, by hard links.")
@dir_option
@config_option
@click.argument("backup", type=click.Path(), metavar="BACKUP")
def backup(directory: str | None, config_path: str | None, backup: str) -> None:
    """Copy the data set of a data directory that no server uses to BACKUP.

    BACKUP becomes a data directory of its own: a server can be started on it, and
    "dscache restore" takes it. Its files are hard links to those of the data
    directory, so it takes hardly any time and space; on another file system they
    are copied. It must not exist yet.

    Of a server that runs, ask for a backup through a connection; nobody has to wait for it:

    \b
      dscache cli BACKUP monday        in the folder backups of its data directory
      dscache cli BACKUP /mnt/monday   anywhere, from the server's own machine

    Exit codes: 0 when it is complete, 1 when it failed, 2 for a wrong command line.
    """
    run(lambda: _backup(directory, config_path, backup))


def _backup(directory: str | None, config_path: str | None, name: str) -> None:
    from dscache.errors import DscacheError, StoreLockedError
    from dscache.moving.exporting import count_keys
    from dscache.server.opening import open_committed

    config = read_config(config_path, directory, None)
    try:
        engine = open_committed(config, Path(config.dir))
    except StoreLockedError as error:
        raise DscacheError(f"{error}, or ask it for a backup: dscache cli BACKUP NAME") from error
    try:
        engine.store.copy(Path(name).absolute())
        keys = count_keys(engine)
    finally:
        engine.close()
    click.echo(f"{keys} keys in {name}")


@click.command(short_help="Make a data directory from a backup.")
@dir_option
@config_option
@click.argument("backup", type=click.Path(), metavar="BACKUP")
def restore(directory: str | None, config_path: str | None, backup: str) -> None:
    """Make a data directory from BACKUP, what "dscache backup" or BACKUP has made.

    \b
      dscache restore --dir ./data /mnt/monday
      dscache serve --dir ./data

    The directory must not have data yet. BACKUP stays as it is; files that never
    change are hard links to it, or copies on another file system. Nothing appears
    in the directory before all of it can be opened.

    Exit codes: 0 when it is complete, 1 when it failed, 2 for a wrong command line.
    """
    run(lambda: _restore(directory, config_path, backup))


def _restore(directory: str | None, config_path: str | None, name: str) -> None:
    from dscache.moving.exporting import count_keys
    from dscache.server.opening import open_committed
    from dscache.server.staging import StagedDirectory
    from dscache.store.directory import copy_data, require_data

    config = read_config(config_path, directory, None)
    target = Path(config.dir)
    source = Path(name)
    require_data(source)
    with StagedDirectory(target) as staged:
        try:
            copy_data(source, staged.path)
        except OSError as error:
            raise failed_on(str(error.filename or name), error) from error
        engine = open_committed(config, staged.path)
        try:
            keys = count_keys(engine)
        finally:
            engine.close()
        staged.publish()
    click.echo(f"{keys} keys in {config.dir}")
