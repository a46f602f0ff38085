"""Replay: what the redo log has beyond the store, run again when the server starts.

Each command runs at the time that was noted with it, so it finds what it found then: the same keys
expired, the same IDs for XADD. Keys are loaded ahead, several threads at a time, as for a pipeline.
Memory is bounded as ever: between two frames epochs are cut, and waited for if they must be.

A command that was noted changed something and succeeded. If one fails now, log and store do not belong
together, and starting would make that worse: it is an error that names the frame.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dscache.config.levels import NOTICE
from dscache.engine.inner import run_inner
from dscache.engine.redo import stored_sequence
from dscache.engine.session import Session
from dscache.engine.waitingroom import LOOK_AHEAD
from dscache.errors import DscacheError, LogDamagedError, ProtocolError, StoreError
from dscache.files import Files
from dscache.log.format import Frame, time_of
from dscache.log.segments import Contents
from dscache.log.writer import LogWriter
from dscache.wire.reply import ErrorReply
from dscache.wire.request import RequestParser

if TYPE_CHECKING:
    from dscache.engine.engine import Engine

log: Final = logging.getLogger("dscache")

_PROGRESS_SECONDS: Final = 2.0

# What is atomic is one frame anyway.
_BRACKETS: Final = (b"MULTI", b"EXEC")

# No limit that a directive may have been lowered to since.
_MOST_BULK_BYTES: Final = 1 << 40

#: Where the log is, in the data directory; Redis's name for it.
LOG_DIRECTORY: Final = "appendonlydir"


def open_log(engine: Engine, directory: Path, files: Files) -> None:
    """Replay what the redo log in the data directory ``directory`` has beyond the store, and go on with the
    log, or without it if ``appendonly`` is no. Raises LogDamagedError and StoreError."""
    path = directory / LOG_DIRECTORY
    try:
        _open(engine, path, files)
    except OSError as error:
        raise StoreError(f"the redo log {path} cannot be used: {error.strerror}") from error


def _open(engine: Engine, path: Path, files: Files) -> None:
    goes_on = engine.config.appendonly
    stored = stored_sequence(engine.store)
    engine.redo.continue_after(stored)
    if goes_on and not path.exists():
        path.mkdir()
        files.sync_names(path.parent)
    contents = Contents(path, stored)
    if contents.torn_bytes:
        log.warning(
            "the redo log ends in the middle of a frame, as after a crash: %d bytes are cut off",
            contents.torn_bytes,
        )
    started = time.perf_counter()
    commands = _replay(engine, contents.frames(), contents.total_bytes)
    if commands:
        seconds = time.perf_counter() - started
        log.log(
            NOTICE, "%d commands of the redo log have been replayed in %.2f s", commands, seconds
        )
    contents.settle(files)
    writer = LogWriter(path, contents.last_sequences, files)
    if goes_on:
        engine.redo.start(writer, contents.last_sequence)
    elif contents.numbers:
        engine.pacer.commit_now()
        writer.drop_until(contents.last_sequence)


def _replay(engine: Engine, frames: Iterable[Frame], total_bytes: int) -> int:
    """Run ``frames``, of ``total_bytes`` in all; how many commands that were. Blocks until all is done.

    Raises LogDamagedError and StoreError.
    """
    session = session_for_replay(engine)
    commands = 0
    done_bytes = 0
    shown = time.perf_counter()
    for frame in frames:
        requests = _requests(frame)
        for some in portions(engine, requests):
            commands += _run(engine, session, frame, some)
        engine.redo.continue_after(frame.sequence)
        done_bytes += len(frame.body)
        engine.pacer.keep_up()
        if time.perf_counter() - shown >= _PROGRESS_SECONDS:
            shown = time.perf_counter()
            share = 100 * done_bytes // total_bytes
            log.log(NOTICE, "replaying the redo log: %d %%, %d commands", share, commands)
    return commands


def session_for_replay(engine: Engine) -> Session:
    """A session for commands that have been carried out before, here or by another server."""
    session = Session(engine, 0, engine.acl.default)
    session.is_unrestricted = True
    return session


def portions(engine: Engine, requests: list[list[bytes]]) -> Iterator[list[list[bytes]]]:
    """``requests`` in turn, as many at a time as memory has room for what they load."""
    start = 0
    while start < len(requests):
        most = min(max(engine.room.look_ahead_room(), 1), LOOK_AHEAD)
        yield requests[start : start + most]
        start += most


def _requests(frame: Frame) -> list[list[bytes]]:
    parser = RequestParser(_MOST_BULK_BYTES)
    parser.feed(frame.body)
    found: list[list[bytes]] = []
    try:
        while (request := parser.next_request()) is not None:
            found.append(request)
    except ProtocolError as error:
        raise LogDamagedError(f"frame {frame.sequence} of the redo log: {error}") from error
    return found


def _run(engine: Engine, session: Session, frame: Frame, requests: list[list[bytes]]) -> int:
    load_ahead(engine, session, requests)
    core = engine.core
    core.is_inner = core.must_not_fault = True
    commands = 0
    try:
        for args in requests:
            now_ms = time_of(args[0])
            if now_ms is not None:
                core.now_ms = now_ms
            elif args[0] == b"SELECT":
                session.keyspace = engine.keyspaces[int(args[1])]
            elif args[0] not in _BRACKETS:
                carry_out(engine, session, args)
                commands += 1
    except StoreError:
        raise
    except DscacheError as error:
        raise LogDamagedError(
            f"frame {frame.sequence} of the redo log does not fit the data: {error}"
        ) from error
    finally:
        core.is_inner = core.must_not_fault = False
    return commands


def carry_out(engine: Engine, session: Session, args: list[bytes]) -> None:
    """Run a command that has succeeded before; ``load_ahead`` has been called, and the core knows that it
    is an inner one. Raises DscacheError, which names it, if it does not succeed again."""
    name = args[0].decode("utf-8", "replace")
    command = engine.table.find(args)
    if command is None or not command.accepts(len(args)):
        raise DscacheError(f"{name} is no command")
    try:
        reply = run_inner(engine, session, command, args)
    except StoreError:
        # The disk's, and no fault of the command.
        raise
    except DscacheError as error:
        raise DscacheError(f"{name}: {error}") from error
    if isinstance(reply, ErrorReply):
        raise DscacheError(f"{name}: {reply.text.decode('utf-8', 'replace')}")


def load_ahead(engine: Engine, session: Session, requests: list[list[bytes]]) -> None:
    """Load what ``requests`` need, as far as their databases can be foreseen, and wait for it."""
    keyspace = session.keyspace
    for args in requests:
        if args[0] == b"SELECT":
            session.keyspace = engine.keyspaces[int(args[1])]
        else:
            engine.room.look_ahead(session, [args])
    session.keyspace = keyspace
    workers = engine.workers
    engine.loader.dispatch()
    while engine.loader.in_progress > 0:
        workers.wait_for(workers.has_posted)
        workers.run_posted()
        engine.loader.dispatch()
