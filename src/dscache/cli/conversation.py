"""One user's conversation with a server: commands go out, replies are printed, and what changes with them
is remembered (which database, whether a transaction is open, whether there is a connection).

Both the prompt and the lines of a script go through it. A connection that was lost is made again with
the next command; the command that was running when it was lost is not repeated, because nobody knows
whether it was carried out.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import click

from dscache.cli.link import Endpoint, Link
from dscache.cli.rendering import Renderer, formatted, renderer_for
from dscache.errors import DscacheError
from dscache.wire.inline import split_inline
from dscache.wire.reply import ErrorReply, Push, Status

_SUBSCRIBING: Final = frozenset((b"subscribe", b"psubscribe", b"ssubscribe"))
_UNSUBSCRIBING: Final = frozenset((b"unsubscribe", b"punsubscribe", b"sunsubscribe"))

#: A reply that took longer is followed by how long it took, where people read it.
_SLOW_SECONDS: Final = 0.5


def _print_bytes(text: bytes) -> None:
    sys.stdout.buffer.write(text + b"\n")
    sys.stdout.flush()


class Conversation:
    """See the module's docstring."""

    def __init__(
        self,
        endpoint: Endpoint,
        protocol: int,
        render: Renderer,
        show: Callable[[bytes], None] = _print_bytes,
    ) -> None:
        #: Its database is the one that the user has selected.
        self.endpoint = endpoint
        self.is_in_transaction = False
        self._protocol: Final = protocol
        self._render: Final = render
        self._show: Final = show
        self._link: Link | None = None
        #: The database that a SELECT inside a transaction leads to.
        self._queued_database = -1

    @property
    def prompt(self) -> str:
        """What the user sees in front of what he types."""
        if self._link is None:
            return "not connected> "
        database = f"[{self.endpoint.database}]" if self.endpoint.database else ""
        return f"{self.endpoint.name}{database}{'(TX)' if self.is_in_transaction else ''}> "

    def connect(self) -> None:
        """Make a connection, a new one if there is one. Raises LinkError."""
        self.hang_up()
        self._link = Link(self.endpoint, self._protocol)

    def hang_up(self) -> None:
        """Close the connection; what the server remembers of it is gone."""
        if self._link is not None:
            self._link.close()
        self._link = None
        self.is_in_transaction = False
        self._queued_database = -1

    def run(self, words: list[bytes], tells_time: bool = False) -> bool:
        """Run a command and print its reply or replies; whether none of them is an error.

        Raises DscacheError if there is no connection, or none any more. KeyboardInterrupt ends the wait
        for a reply or for messages; then only the connection's end can tell the server.
        """
        link = self._link
        if link is None or not link.is_alive():
            self.connect()
            link = self._link
            assert link is not None, "connect makes one or raises"
        began = time.perf_counter()
        try:
            link.send(words)
            is_good = self._read_replies(link, words)
        except DscacheError:
            self.hang_up()
            if words[0].lower() == b"shutdown":
                # A server that has ended is what was asked for, and all that it answers.
                return True
            raise
        except KeyboardInterrupt:
            self.hang_up()
            raise
        seconds = time.perf_counter() - began
        if tells_time and seconds >= _SLOW_SECONDS:
            self._show(b"(%.2fs)" % seconds)
        return is_good

    def _read_replies(self, link: Link, words: list[bytes]) -> bool:
        name = words[0].lower()
        render = renderer_for(words, self._render)
        replies = max(len(words) - 1, 1) if name in _UNSUBSCRIBING else 1
        is_good = True
        while replies:
            reply = link.read()
            if isinstance(reply, Push) and name not in _SUBSCRIBING | _UNSUBSCRIBING:
                # What the server tells beside replies would confuse a program.
                if self._render is formatted:
                    self._show(formatted(reply))
                continue
            self._show(render(reply))
            replies -= 1
            is_good = is_good and not isinstance(reply, ErrorReply)
            self._remember(name, words, reply)
        if is_good and (name in _SUBSCRIBING or name == b"monitor"):
            while True:
                self._show(self._render(link.read()))
        return is_good

    def _remember(self, name: bytes, words: list[bytes], reply: object) -> None:
        """What the next prompt, and the next connection, must know."""
        status = reply.text if isinstance(reply, Status) else b""
        if name == b"select" and len(words) == 2:
            if status == b"OK":
                self._use_database(int(words[1]))
            elif status == b"QUEUED":
                self._queued_database = int(words[1])
        elif name == b"multi" and status == b"OK":
            self.is_in_transaction = True
        elif name in (b"exec", b"discard"):
            if isinstance(reply, list) and self._queued_database >= 0:
                self._use_database(self._queued_database)
            self._queued_database = -1
            self.is_in_transaction = False
        elif name == b"reset" and status == b"RESET":
            self._use_database(0)
            self.is_in_transaction = False

    def _use_database(self, number: int) -> None:
        self.endpoint = replace(self.endpoint, database=number)


def run_command(conversation: Conversation, words: Sequence[str]) -> int:
    """Run one command; the exit code."""
    try:
        is_good = conversation.run([word.encode("utf-8", "surrogateescape") for word in words])
    except DscacheError as error:
        click.echo(f"dscache: {error}", err=True)
        return 1
    except KeyboardInterrupt:
        return 0  # the way to end SUBSCRIBE and MONITOR
    return 0 if is_good else 1


def run_lines(conversation: Conversation) -> int:
    """Run the commands on standard input, all of them whatever is answered; the exit code."""
    code = 0
    for number, line in enumerate(sys.stdin.buffer, 1):
        words = split_inline(line)
        if words is None:
            click.echo(f"dscache: line {number}: unbalanced quotes", err=True)
            code = 1
        elif words:
            try:
                code = code if conversation.run(words) else 1
            except DscacheError as error:
                click.echo(f"dscache: line {number}: {error}", err=True)
                return 1
    return code
