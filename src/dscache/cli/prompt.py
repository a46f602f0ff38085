"""The prompt of ``dscache cli``: a line editor with history, completion and hints in front of a
conversation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import click
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout.processors import AfterInput

from dscache.cli.conversation import Conversation
from dscache.cli.hints import Guide
from dscache.cli.history import SafeHistory, history_path
from dscache.errors import DscacheError
from dscache.wire.inline import split_inline

_HINT_STYLE: Final = "fg:ansibrightblack"
#: Rows kept free below the prompt for the menu of completions.
_MENU_ROWS: Final = 6

_WAITING_COMMANDS: Final = frozenset((
    b"subscribe", b"psubscribe", b"ssubscribe", b"monitor",
))  # fmt: skip


class CommandCompleter(Completer):
    """Tells prompt_toolkit what the guide knows."""

    def __init__(self, guide: Guide) -> None:
        self._guide: Final = guide

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterable[Completion]:
        """What the word before the cursor may become."""
        line = document.text_before_cursor
        begun = 0 if line[-1:] in ("", " ") else len(line.split(" ")[-1])
        for one in self._guide.candidates(line):
            yield Completion(one.word, -begun, display_meta=one.meaning)


class Prompt:
    """See the module's docstring."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation: Final = conversation
        self._guide: Final = Guide()
        self._session: Final[PromptSession[str]] = PromptSession(
            history=SafeHistory(history_path(), self._guide),
            completer=CommandCompleter(self._guide),
            complete_while_typing=False,
            input_processors=[AfterInput(self._hint)],
            reserve_space_for_menu=_MENU_ROWS,
        )

    def _hint(self) -> StyleAndTextTuples:
        """The missing arguments, as far as the row has room behind what is typed."""
        if self._session.app.is_done:
            return []  # what is entered stays on the screen as it was typed
        line = self._session.default_buffer.text
        columns = self._session.output.get_size().columns
        room = columns - len(self._conversation.prompt) - len(line) - 1
        return [(_HINT_STYLE, self._guide.hint(line)[: max(room, 0)])]

    def run(self) -> None:
        """Ask for commands and run them until the user has enough."""
        try:
            self._conversation.connect()
        except DscacheError as error:
            click.echo(f"{error}")
        while True:
            try:
                line = self._session.prompt(self._conversation.prompt)
            except KeyboardInterrupt:
                continue  # gives up the line
            except EOFError:
                return
            words = split_inline(line.encode("utf-8", "surrogateescape"))
            if words is None:
                click.echo("unbalanced quotes")
            elif words:
                if words[0].lower() in (b"quit", b"exit"):
                    return
                self._do(words)

    def _do(self, words: list[bytes]) -> None:
        try:
            if not self._is_for_us(words):
                self._run(words)
        except DscacheError as error:
            click.echo(f"{error}")
        except KeyboardInterrupt:
            click.echo()
            self._reconnect()

    def _is_for_us(self, words: list[bytes]) -> bool:
        """Do what is for this program and not for the server; whether it was that."""
        name = words[0].lower()
        if name == b"help":
            self._help([word.decode("utf-8", "replace") for word in words[1:]])
        elif name == b"clear" and len(words) == 1:
            click.clear()
        elif name == b"connect" and len(words) == 3 and words[2].isdigit():
            conversation = self._conversation
            conversation.hang_up()
            conversation.endpoint = replace(
                conversation.endpoint, host=words[1].decode(), port=int(words[2]), socket_path=""
            )
            conversation.connect()
        else:
            return False
        return True

    def _help(self, words: list[str]) -> None:
        if words:
            click.echo(self._guide.help_on(words))
            return
        click.echo(
            "help COMMAND       what a command does, and its arguments\n"
            "Tab                completes commands, subcommands and options\n"
            "N COMMAND ...      runs a command N times\n"
            "connect HOST PORT  goes to another server\n"
            "clear, quit        clear the screen; leave (also Ctrl-D)"
        )

    def _run(self, words: list[bytes]) -> None:
        times = 1
        if len(words) > 1 and words[0].isdigit():
            times = int(words[0])
            words = words[1:]
        if words[0].lower() in _WAITING_COMMANDS:
            click.echo("(Ctrl-C ends it)")
        for _ in range(times):
            self._conversation.run(words, tells_time=True)

    def _reconnect(self) -> None:
        try:
            self._conversation.connect()
        except DscacheError as error:
            click.echo(f"{error}")
