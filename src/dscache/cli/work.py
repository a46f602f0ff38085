"""How commands do work that may take long: how far they have come, and how they end."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final

import click

from dscache.cli.serve import CANNOT_START, WRONG_COMMAND_LINE
from dscache.errors import CommandLineError, DscacheError

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

# How often a line tells about progress where there is no terminal.
_LINE_SECONDS: Final = 5.0


def run(work: Callable[[], None]) -> None:
    """Do ``work``, and end the process with what it has come to."""
    logging.getLogger("dscache").setLevel(logging.WARNING)
    try:
        work()
    except DscacheError as error:
        click.echo(f"dscache: {error}", err=True)
        sys.exit(WRONG_COMMAND_LINE if isinstance(error, CommandLineError) else CANNOT_START)


def failed_on(path: str, error: OSError) -> DscacheError:
    """The error of a file that the system does not let one read or write."""
    return DscacheError(f"{path}: {error.strerror}")


def _bar(in_bytes: bool) -> Bar:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bar

    return Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TransferSpeedColumn() if in_bytes else MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


class Progress:
    """Tells on standard error how much of ``total`` has been done: with a bar, if that is a terminal, or
    else with a line every few seconds. A context."""

    def __init__(self, what: str, total: int, in_bytes: bool, unit: str = "keys") -> None:
        self._what: Final = what
        self._total: Final = total
        self._in_bytes: Final = in_bytes
        #: What is counted, if it is not bytes.
        self._unit: Final = unit
        self._done = 0
        self._started: Final = time.perf_counter()
        self._next_line = self._started + _LINE_SECONDS
        self._bar = _bar(in_bytes) if sys.stderr.isatty() else None

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
            self._bar.add_task(self._what, total=self._total)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, done: int) -> None:
        """So much has been done."""
        self._done = done
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done)
        elif time.perf_counter() >= self._next_line:
            self._next_line = time.perf_counter() + _LINE_SECONDS
            share = 100 * done // max(self._total, 1)
            click.echo(f"{self._what}: {share} %, {self.rate()}", err=True)

    def rate(self) -> str:
        """How quick it has been, for people."""
        seconds = max(time.perf_counter() - self._started, 1e-6)
        if self._in_bytes:
            return f"{self._done / seconds / 1e6:.1f} MB/s"
        return f"{self._done / seconds:,.0f} {self._unit}/s"

    def seconds(self) -> float:
        """How long it has taken."""
        return time.perf_counter() - self._started
