"""``dscache top``: a live view of a server."""

from __future__ import annotations

import os
import select
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final

import click

from dscache.cli.connecting import Endpoint, Link, LinkError, connection_options, endpoint_of
from dscache.wire.reply import ErrorReply, Verbatim

if TYPE_CHECKING:
    from rich.console import RenderableType

    from dscache.cli.readings import Readings, Sample

_LEAST_INTERVAL: Final = 0.1
#: The width of a report that goes to a file or a program.
_REPORT_COLUMNS: Final = 120


@click.command(context_settings={"help_option_names": ["--help"]})
@connection_options("-n", "--db")
@click.option(
    "-i",
    "--interval",
    type=click.FloatRange(_LEAST_INTERVAL),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to look.",
)
@click.option("--once", is_flag=True, help="Look for one interval, print a report, and end.")
@click.pass_context
def top(context: click.Context, interval: float, once: bool) -> None:
    """Show what a server is doing, as it does it.

    \b
    Above:  how many commands, how many lookups memory answers, what the disk is asked for;
            memory against its bound; changes that are not on disk; the redo log; clients
    Below:  the commands that take most time, the clients that wait and what for, the
            biggest keys and those used last, of those that are in memory

    Keys: q quits, p pauses, s sorts the commands by time, calls, or time per call.

    Where output is no terminal, and with --once, one report is printed.

    The view costs the server a few commands each time (INFO, CLIENT LIST, pages of SCAN,
    and a look at 300 keys at most). It brings no key into memory and makes none look used.
    Redis and Valkey are shown as far as their INFO goes. A user for it needs +info +client
    +ping +scan +cache|resident +memory|usage +object +latency|latest ~*; what he may not
    ask is left out.

    Exit codes: 0 when it has been left or the report is printed, 1 when there is no
    connection, 2 for a wrong command line.
    """
    endpoint = endpoint_of(context)
    try:
        if once or not sys.stdout.isatty() or not sys.stdin.isatty():
            _report(endpoint, interval)
        else:
            _watch(endpoint, interval)
    except LinkError as error:
        click.echo(f"dscache: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(0)


class Observer:
    """A connection that looks at the server, and the two latest looks. Raises LinkError."""

    def __init__(self, endpoint: Endpoint) -> None:
        from dscache.cli.key_sampling import KeySampler

        self._link: Final = Link(endpoint)
        self.keys: Final = KeySampler()
        self._before: Sample | None = None
        # Servers that do not know one of these do without.
        self._link.call(b"CLIENT", b"NO-EVICT", b"ON")
        self._link.call(b"CLIENT", b"NO-TOUCH", b"ON")
        self._link.call(b"CLIENT", b"SETNAME", b"dscache-top")

    def look(self) -> Readings:
        """Look at the server, and at some of its keys."""
        from dscache.cli.readings import Readings, Sample, parse_clients, parse_info

        began = time.perf_counter()
        self._link.call(b"PING")
        ended = time.perf_counter()
        sample = Sample(
            ended,
            (ended - began) * 1000,
            parse_info(self._text(b"INFO", b"all")),
            parse_clients(self._text(b"CLIENT", b"LIST")),
            self._spikes(),
        )
        readings = Readings(self._before, sample)
        self._before = sample
        self.keys.look(self._link)
        return readings

    def _text(self, *words: bytes) -> str:
        reply = self._link.call(*words)
        if isinstance(reply, ErrorReply) and reply.text.startswith(b"NOAUTH"):
            raise LinkError(reply.text.decode(errors="replace"))
        text = reply.text if isinstance(reply, Verbatim) else reply
        return text.decode("utf-8", "replace") if isinstance(text, bytes) else ""

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


def _report(endpoint: Endpoint, interval: float) -> None:
    from rich.console import Console

    from dscache.cli.top_screen import View, screen

    observer = Observer(endpoint)
    observer.look()
    time.sleep(interval)
    readings = observer.look()
    view = View(endpoint.name)
    view.remember(readings)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _REPORT_COLUMNS)
    keys = observer.keys
    console.print(screen(view, readings, keys.biggest(), keys.hottest(), console.width, 0))


def _watch(endpoint: Endpoint, interval: float) -> None:
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False)
    watch = _Watch(endpoint)
    with Keyboard() as keyboard, Live(console=console, screen=True, auto_refresh=False) as live:
        next_look = 0.0
        while True:
            now = time.monotonic()
            if now >= next_look:
                next_look = now + interval
                watch.look()
            live.update(watch.screen(*console.size), refresh=True)
            key = keyboard.wait(next_look - time.monotonic())
            if key == "q":
                return
            watch.press(key)


class _Watch:
    """What is on the screen, and where it comes from. The first connection must succeed; one that is lost
    is tried again with each look."""

    def __init__(self, endpoint: Endpoint) -> None:
        from dscache.cli.top_screen import View

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
        except LinkError as error:
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
        from dscache.cli.top_screen import screen

        keys = self._observer.keys
        return screen(self._view, self._readings, keys.biggest(), keys.hottest(), columns, rows)


class Keyboard:
    """Keys of the terminal one by one, without Enter and without being shown. A context."""

    def __init__(self) -> None:
        import termios

        self._descriptor: Final = sys.stdin.fileno()
        self._settings: Final = termios.tcgetattr(self._descriptor)

    def __enter__(self) -> Keyboard:
        import tty

        tty.setcbreak(self._descriptor)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        import termios

        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._settings)

    def wait(self, seconds: float) -> str:
        """The next key, or nothing after ``seconds``. The end of the input is q."""
        readable, _, _ = select.select([self._descriptor], [], [], max(seconds, 0.0))
        if not readable:
            return ""
        return os.read(self._descriptor, 1).decode("ascii", "replace").lower() or "q"
