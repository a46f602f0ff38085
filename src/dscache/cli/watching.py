"""How ``dscache top`` looks at a server, again and again, and what the keys of the terminal do."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from types import TracebackType
from typing import Final

from rich.console import Console, RenderableType
from rich.live import Live

from dscache.cli.key_sampling import KeySampler
from dscache.cli.link import Endpoint, Link, LinkError
from dscache.cli.readings import Readings, Sample, parse_clients, parse_info
from dscache.cli.top_screen import View, screen
from dscache.errors import DscacheError
from dscache.wire.reply import ErrorReply, Verbatim

#: The width of a report that goes to a file or a program.
_REPORT_COLUMNS: Final = 120


class Observer:
    """A connection that looks at the server again and again. Raises LinkError.

    Each look ends with the sample of keys, and what the next one is compared with is taken after that: to
    look at a key counts as a command and as a hit, and a quiet server would seem to have these.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._link: Final = Link(endpoint)
        self.keys: Final = KeySampler()
        #: What the server said at the end of the last look.
        self._before: Sample | None = None
        # Servers that do not know one of these do without.
        self._link.call(b"CLIENT", b"NO-EVICT", b"ON")
        self._link.call(b"CLIENT", b"NO-TOUCH", b"ON")
        self._link.call(b"CLIENT", b"SETNAME", b"dscache-top")

    def look(self) -> Readings:
        """Look at the server, and at some of its keys."""
        began = time.perf_counter()
        self._link.call(b"PING")
        ended = time.perf_counter()
        sample = Sample(
            ended,
            (ended - began) * 1000,
            self._info(),
            parse_clients(_decoded(self._link.call(b"CLIENT", b"LIST"))),
            self._spikes(),
        )
        readings = Readings(self._before, sample)
        self.keys.look(self._link)
        self._before = Sample(time.perf_counter(), 0.0, self._info())
        return readings

    def _info(self) -> dict[str, str]:
        reply = self._link.call(b"INFO", b"all")
        if isinstance(reply, ErrorReply):
            # There is nothing to show without it: no password was given, or no right to ask.
            raise LinkError(f"INFO failed: {reply.text.decode(errors='replace')}")
        return parse_info(_decoded(reply))

    def _spikes(self) -> dict[str, tuple[int, int]]:
        reply = self._link.call(b"LATENCY", b"LATEST")
        found: dict[str, tuple[int, int]] = {}
        for event in reply if isinstance(reply, list) else ():
            name, _, last, worst = event[:4]
            found[name.decode()] = (last, worst)
        return found

    def close(self) -> None:
        """Hang up."""
        self._link.close()


def _decoded(reply: object) -> str:
    """A text for people; empty if the server gave another answer."""
    text = reply.text if isinstance(reply, Verbatim) else reply
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else ""


def report(endpoint: Endpoint, interval: float) -> None:
    """Look for ``interval`` seconds and print what was seen."""
    observer = Observer(endpoint)
    observer.look()
    time.sleep(interval)
    readings = observer.look()
    view = View(endpoint.name)
    view.remember(readings)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _REPORT_COLUMNS)
    keys = observer.keys
    console.print(screen(view, readings, keys.biggest(), keys.hottest(), console.width, 0))


def watch(endpoint: Endpoint, interval: float) -> None:
    """Show what is seen every ``interval`` seconds, until q is pressed."""
    console = Console(highlight=False)
    shown = _Watch(endpoint)
    with Keyboard() as keyboard, Live(console=console, screen=True, auto_refresh=False) as live:
        next_look = 0.0
        while True:
            now = time.monotonic()
            if now >= next_look:
                next_look = now + interval
                shown.look()
            live.update(shown.screen(*console.size), refresh=True)
            key = keyboard.wait(next_look - time.monotonic())
            if key == "q":
                return
            shown.press(key)


class _Watch:
    """What is on the screen, and where it comes from. The first connection must succeed; one that is lost
    is tried again with each look."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint: Final = endpoint
        self._observer = Observer(endpoint)
        self._is_connected = True
        self._view: Final = View(endpoint.name, help="q quit  p pause  s sort")
        self._readings: Readings | None = None

    def look(self) -> None:
        """Have something new to show, unless it is paused."""
        if self._view.is_paused:
            return
        try:
            if not self._is_connected:
                self._observer = Observer(self._endpoint)
                self._is_connected = True
            self._readings = self._observer.look()
            self._view.remember(self._readings)
            self._view.trouble = ""
        except DscacheError as error:
            self._observer.close()
            self._is_connected = False
            self._view.trouble = str(error)

    def press(self, key: str) -> None:
        """Do what a key means."""
        if key == "p":
            self._view.is_paused = not self._view.is_paused
        elif key == "s":
            self._view.next_order()

    def screen(self, columns: int, rows: int) -> RenderableType:
        """What is shown on a terminal of that size."""
        keys = self._observer.keys
        return screen(self._view, self._readings, keys.biggest(), keys.hottest(), columns, rows)


class Keyboard:
    """Keys of the terminal one by one, without Enter and without being shown. A context."""

    def __init__(self) -> None:
        self._descriptor: Final = sys.stdin.fileno()
        self._settings: Final = termios.tcgetattr(self._descriptor)

    def __enter__(self) -> Keyboard:
        tty.setcbreak(self._descriptor)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._settings)

    def wait(self, seconds: float) -> str:
        """The next key, or nothing after ``seconds``. The end of the input is q."""
        readable, _, _ = select.select([self._descriptor], [], [], max(seconds, 0.0))
        if not readable:
            return ""
        return os.read(self._descriptor, 1).decode("ascii", "replace").lower() or "q"
