"""SAVE, BGSAVE, LASTSAVE, BGREWRITEAOF and BACKUP: the data set as files beside the store.

The store needs none of them: what was acknowledged is on disk, or in the redo log.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

from dscache.commands.arguments import syntax_error
from dscache.commands.cache import is_committed
from dscache.engine.command import ADMIN, FAST, LOADING, NO_MULTI, NOSCRIPT, STALE, Registry
from dscache.engine.session import Session
from dscache.engine.waiting import CommitFault, JobFault
from dscache.errors import CommandError
from dscache.wire.reply import OK, Status

registry: Final = Registry("server", "")

#: Where backups without a path are, in the data directory.
BACKUPS_NAME: Final = "backups"


@registry.command(
    "SAVE",
    arity=1,
    flags=ADMIN | NOSCRIPT | NO_MULTI,
    since="1.0.0",
    complexity="O(N) where N is the size of the data set",
)
def save(session: Session, args: list[bytes]) -> object:
    """Writes the whole data set to an RDB file (dbfilename in dir), and answers when that is done.

    The caller waits; the server goes on, as with BGSAVE. CLIENT LIST shows who waits (wait=snapshot).
    """
    snapshots = session.engine.snapshots
    if not session.engine.core.has_result("saved"):
        if snapshots.is_busy:
            raise CommandError(b"ERR Background save already in progress")
        raise JobFault("saved", snapshots.outcome, snapshots.begin_for)
    return OK


@registry.command(
    "BGSAVE [SCHEDULE@3.2.2]",
    arity=-1,
    flags=ADMIN | NOSCRIPT,
    since="1.0.0",
    complexity="O(1)",
    history=[("3.2.2", "Modifier SCHEDULE.")],
)
def bgsave(session: Session, args: list[bytes]) -> object:
    """Begins to write the whole data set to an RDB file (dbfilename in dir), and answers at once.

    The file shows one instant, not before this command. A process of its own reads a copy of the store (hard
    links) and writes it; INFO persistence tells how far it is, LASTSAVE when it is done. With SCHEDULE it is
    the same: nothing that goes on here would have to end first.
    """
    if len(args) > 2 or (len(args) == 2 and args[1].lower() != b"schedule"):
        raise syntax_error()
    session.engine.snapshots.begin()
    return Status(b"Background saving started")


@registry.command(
    "LASTSAVE",
    arity=1,
    flags=LOADING | STALE | FAST,
    since="1.0.0",
    complexity="O(1)",
    categories="admin dangerous",
    tips="nondeterministic_output",
)
def lastsave(session: Session, args: list[bytes]) -> object:
    """Answers when the last RDB file was completed, in seconds since 1970; the start, before the first.

    It says nothing of how safe the data are: INFO store does.
    """
    return int(session.engine.snapshots.saved_at)


@registry.command(
    "BGREWRITEAOF",
    arity=1,
    flags=ADMIN | NOSCRIPT,
    since="1.0.0",
    complexity="O(N) where N is the number of keys changed since the last commit",
)
def bgrewriteaof(session: Session, args: list[bytes]) -> object:
    """Makes the redo log short: what it has is committed to the store, in the background, and deleted.

    The same happens by itself with every epoch.
    """
    # In the next turn: no epoch may be cut inside a transaction.
    session.engine.workers.post(session.engine.pacer.cut_if_idle)
    return Status(b"Background append only file rewriting started")


@registry.command(
    "BACKUP name-or-path",
    arity=2,
    flags=ADMIN | NOSCRIPT | NO_MULTI,
    since="0.1.0",
    complexity="O(N) where N is the number of keys changed since the last commit, and of the store's files",
)
def backup(session: Session, args: list[bytes]) -> object:
    """Makes a copy of the data set as it is now, and answers where it is.

    The copy is a data directory, which a server can be started on, or "dscache restore" can take. It
    consists of hard links, so it takes seconds and hardly any space, until the data set changes; on another
    file system it is copied. A name means a directory below backups in the data directory. A path must be
    absolute, and is only for clients on this machine. There must be nothing of that name.
    """
    directory = _backup_directory(session, args[1])
    if not is_committed(session):
        raise CommitFault()
    engine = session.engine
    if not engine.core.has_result("copied"):
        copy = partial(engine.store.copy, directory)
        raise JobFault("copied", copy, engine.workers.submit_commit)
    return str(directory).encode("utf-8", "surrogateescape")


def _backup_directory(session: Session, word: bytes) -> Path:
    """Raises CommandError."""
    try:
        name = word.decode("utf-8", "surrogateescape")
    except UnicodeDecodeError:
        name = ""
    if name.startswith("/") and "\0" not in name:
        if not session.is_local:
            raise CommandError(
                b"ERR a path is only for clients on the server's machine; give a name, and the backup will be"
                b" in the directory of backups"
            )
        return Path(name)
    if not name or "/" in name or "\0" in name or name.startswith("."):
        raise CommandError(
            b"ERR a backup is called by a name without slashes, or by an absolute path"
        )
    directory = session.engine.snapshots.directory
    if directory is None:
        raise CommandError(b"ERR this data set has no directory of backups; give an absolute path")
    return directory / BACKUPS_NAME / name
