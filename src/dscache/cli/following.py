"""What ``import --follow`` shows while it runs, and how it is told to end."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from rich.status import Status as Spinner

    from dscache.moving.following import Follower

# How often a line tells about it where there is no terminal.
_LINE_SECONDS: Final = 5.0

# Over how long a rate is measured.
_RATE_SECONDS: Final = 1.0


class Status:
    """One line on standard error that says how far the server called ``name`` has been followed: on a
    terminal always the present one, and elsewhere every few seconds. A context."""

    def __init__(self, name: str) -> None:
        self._name: Final = name
        self._next_line = time.perf_counter() + _LINE_SECONDS
        # Bytes or commands per second, and when and at how many of them that was measured.
        self._rate = 0.0
        self._measured = time.perf_counter()
        self._done = 0
        self._spinner = _spinner(name) if sys.stderr.isatty() else None

    def __enter__(self) -> Status:
        if self._spinner is not None:
            self._spinner.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._spinner is not None:
            self._spinner.stop()

    def show(self, follower: Follower) -> None:
        """So far it has come."""
        now = time.perf_counter()
        if now >= self._measured + _RATE_SECONDS:
            done = follower.commands if follower.has_data_set else follower.read_bytes
            self._rate = max(done - self._done, 0) / (now - self._measured)
            self._measured, self._done = now, done
        if self._spinner is not None:
            self._spinner.update(self._line(follower))
        elif now >= self._next_line:
            self._next_line = now + _LINE_SECONDS
            click.echo(self._line(follower), err=True)

    def _line(self, follower: Follower) -> str:
        if follower.has_data_set:
            state = "nothing waits" if follower.is_idle else "more is waiting"
            return (
                f"{self._name}: {follower.commands} changes, {self._rate:,.0f} a second, offset"
                f" {follower.offset}, {state}"
            )
        # A file that is sent while it is made has no length yet.
        share = (
            f"{100 * follower.read_bytes // follower.file_bytes} % of "
            if follower.file_bytes
            else ""
        )
        size = (follower.file_bytes or follower.read_bytes) / 1e6
        return f"{self._name}: {share}{size:,.1f} MB of the data set, {self._rate / 1e6:.1f} MB/s"


def _spinner(name: str) -> Spinner:
    from rich.console import Console
    from rich.status import Status as Spinner

    return Spinner(f"{name}: waiting for the data set", console=Console(stderr=True))


class EndSignal:
    """SIGINT or SIGTERM as a wish to end in good order; a second one means what it always does. A
    context."""

    def __init__(self) -> None:
        self.has_come = False
        self._before: Final = {
            number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)
        }

    def __enter__(self) -> EndSignal:
        for number in self._before:
            signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.has_come = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
