"""``dscache backup`` and ``dscache restore``: copies of a data set, mostly by hard links."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from dscache.cli.offline import config_option, dir_option, read_config
from dscache.cli.work import Progress, failed_on, run


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
    from dscache.store.directory import SNAPSHOT_NAME

    config = read_config(config_path, directory, None)
    data = Path(config.dir)
    try:
        engine = open_committed(config, data)
    except StoreLockedError as error:
        raise DscacheError(f"{error}, or ask it for a backup: dscache cli BACKUP NAME") from error
    # RocksDB makes copies in one call that nobody can look into. So it makes hard links, and these are what
    # is copied. A server would remove what is left of them by a process that is killed, and so does this.
    links = data.absolute() / SNAPSHOT_NAME
    shutil.rmtree(links, ignore_errors=True)
    try:
        engine.store.copy(links)
        keys = count_keys(engine)
        _copy_to_new(links, Path(name).absolute())
    finally:
        shutil.rmtree(links, ignore_errors=True)
        engine.close()
    click.echo(f"{keys} keys in {name}")


def _copy_to_new(source: Path, target: Path) -> None:
    """Copy the data of ``source`` to ``target``, which must not exist; if that fails nothing is left."""
    from dscache.errors import DscacheError
    from dscache.files import sync_directory

    try:
        target.mkdir(parents=True)
    except FileExistsError:
        raise DscacheError(f"{target} exists already") from None
    except OSError as error:
        raise failed_on(str(target), error) from error
    try:
        _copy(source, target, str(target))
        sync_directory(target.parent)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def _copy(source: Path, target: Path, name: str) -> None:
    """Copy the data of ``source`` to the folder ``target``, which people know as ``name``."""
    from dscache.store.directory import DataFiles

    try:
        with DataFiles(source) as files, Progress(name, files.total_bytes, True) as progress:
            files.copy(target, progress.show)
    except OSError as error:
        raise failed_on(str(error.filename or name), error) from error


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
    from dscache.store.directory import require_data

    config = read_config(config_path, directory, None)
    target = Path(config.dir)
    source = Path(name)
    require_data(source)
    with StagedDirectory(target) as staged:
        _copy(source, staged.path, name)
        engine = open_committed(config, staged.path)
        try:
            keys = count_keys(engine)
        finally:
            engine.close()
        staged.publish()
    click.echo(f"{keys} keys in {config.dir}")
