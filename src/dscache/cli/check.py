"""``dscache check``: examine a data directory that no server uses."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from dscache.cli.offline import config_option, dir_option, read_config
from dscache.cli.work import Progress, failed_on, run

if TYPE_CHECKING:
    from dscache.cache.checking import Check
    from dscache.store.rocksdb import RocksStore

#: Exit code: something is wrong with the directory.
HAS_PROBLEMS: Final = 3

_MEMORY_BYTES: Final = 64 * 1024 * 1024


@click.command(short_help="Examine a data directory, and mend it.")
@dir_option
@config_option
@click.option("--repair", is_flag=True, help="Mend what can be mended, and say what is lost.")
def check(directory: str | None, config_path: str | None, repair: bool) -> None:
    """Examine the redo log and the store of a data directory.

    Everything is read: each frame of the log and its checksum, each record and value,
    the index of due times, the counts. What does not fit is told, and with --repair
    mended: keys that cannot be read are removed and named, a damaged log ends before
    the damage. Make a copy of the directory first. No server may run on it.

    \b
    Exit codes: 0 nothing is wrong, or it has been mended; 1 the directory cannot
    be examined; 2 a wrong command line; 3 something is wrong.
    """
    run(lambda: _check(directory, config_path, repair))


def _check(directory: str | None, config_path: str | None, repair: bool) -> None:
    from dscache.store.directory import require_data
    from dscache.store.rocksdb import RocksStore

    path = Path(read_config(config_path, directory, None).dir)
    require_data(path)
    store = RocksStore(path, _MEMORY_BYTES)
    try:
        log_is_whole = _check_log(path, store, repair)
        report = _check_store(store, repair)
    except OSError as error:
        raise failed_on(str(path), error) from error
    finally:
        store.close()
    _tell(report, repair)
    if not repair and (report.problem_count or not log_is_whole):
        sys.exit(HAS_PROBLEMS)


def _check_log(directory: Path, store: RocksStore, repair: bool) -> bool:
    """Examine the log; whether nothing is wrong with it."""
    from dscache.engine.redo import stored_sequence
    from dscache.engine.replay import LOG_DIRECTORY
    from dscache.errors import LogDamagedError
    from dscache.log.segments import Contents, cut_at_damage

    path = directory / LOG_DIRECTORY
    sequence = stored_sequence(store)
    try:
        contents = Contents(path, sequence)
    except LogDamagedError as damage:
        click.echo(f"redo log: {damage}")
        if repair:
            frames, lost_bytes = cut_at_damage(path, sequence)
            click.echo(
                f"redo log: ended before the damage; {frames} frames are left to replay,"
                f" {lost_bytes} bytes of changes behind them are lost"
            )
        return False
    frames = contents.last_sequence - sequence
    click.echo(f"redo log: {frames} frames to replay, {contents.total_bytes} bytes")
    if contents.torn_bytes:
        click.echo(
            f"redo log: {contents.torn_bytes} bytes at its end are part of a frame, as after a crash;"
            " the next start cuts them off"
        )
    return True


def _check_store(store: RocksStore, repair: bool) -> Check:
    from dscache.cache.checking import Check, count_records

    with Progress("reading", count_records(store), False) as progress:
        report = Check(store, repair, progress.show)
        report.run()
    return report


def _tell(report: Check, repair: bool) -> None:
    click.echo(
        f"store: {report.keys} keys in {report.databases} databases, {report.expires} of them expire;"
        f" {report.records} records read"
    )
    for problem in report.problems:
        click.echo(f"problem: {problem}")
    untold = report.problem_count - len(report.problems)
    if untold:
        click.echo(f"and {untold} more problems")
    if not report.problem_count:
        click.echo("store: nothing is wrong")
    elif repair:
        click.echo(f"store: mended; {report.lost_count} keys are lost")
    else:
        click.echo(
            f"store: {report.problem_count} problems; {report.lost_count} keys cannot be read. Copy"
            " the directory, then run: dscache check --repair"
        )
