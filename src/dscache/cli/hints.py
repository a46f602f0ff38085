"""What can be typed next: hints and completions for command lines, from the table of dscache's commands.

The table is the program's own, so this works against any server, also one that is down. A syntax is held as
the list of the arguments that are *left*; each word that has been typed takes one away (``_after_word``), so
what is shown and what is offered follow from the same list.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Final

from dscache.commands import all_registries
from dscache.commands.table import build_table
from dscache.engine.command import Command
from dscache.engine.syntax import Argument, displayed, parse_syntax
from dscache.wire.inline import split_inline

_COLUMNS: Final = 78


@dataclass(frozen=True, slots=True)
class Candidate:
    """A word that may come next."""

    word: str
    #: What it does; empty for options.
    meaning: str = ""


class Guide:
    """Knows every command's syntax."""

    def __init__(self) -> None:
        self.table = build_table(all_registries())

    def command(self, words: list[bytes]) -> Command | None:
        """The command or subcommand that ``words`` begin with."""
        return self.table.find(words) if words else None

    def hint(self, line: str) -> str:
        """The arguments that are still to be typed behind ``line``; empty if nothing is known."""
        words = _command_words(line)
        if not words:
            return ""
        ends_word = line[-1] == " "
        left = self._left(words)
        if left is None:
            return ""
        text = " ".join(_shown(argument) for argument in left)
        return text if ends_word or not text else f" {text}"

    def candidates(self, line: str) -> list[Candidate]:
        """What the last word of ``line`` may become; in the case in which it was begun."""
        words = _command_words(line)
        if words is None:
            return []
        begun = ""
        if words and line[-1:] != " ":
            begun = words.pop().decode("utf-8", "replace")
        return [
            Candidate(_in_case_of(begun, one.word), one.meaning)
            for one in self._next_words(words)
            if one.word.startswith(begun.upper())
        ]

    def _next_words(self, words: list[bytes]) -> list[Candidate]:
        if not words:
            return _named(list(self.table.parents.values()))
        command = self.table.get(words[0])
        if command is not None and command.subcommands and len(words) == 1:
            return _named(list(command.subcommands.values()))
        left = self._left(words)
        return [] if left is None else [Candidate(token) for token in _next_tokens(left)]

    def _left(self, words: list[bytes]) -> list[Argument] | None:
        """The arguments that ``words`` leave over; None if they fit no syntax."""
        command = self.table.find(words)
        if command is None:
            return None
        left: list[Argument] | None = parse_syntax(command.arguments, command.keys)
        for word in words[2 if command.parent else 1 :]:
            assert left is not None, "the loop ends where nothing is left that fits"
            left = _after_word(left, word.decode("utf-8", "replace"))
            if left is None:
                return None
        return left

    def help_on(self, words: list[str]) -> str:
        """What HELP answers about a command; of one with subcommands, about each."""
        command = self.table.find([_encoded(word) for word in words])
        if command is None:
            return f"There is no command {' '.join(words).upper()}."
        shown = list(command.subcommands.values()) or [command]
        return "\n".join(f"{syntax_of(one)}\n{_paragraph(one.summary)}" for one in shown)


def _command_words(line: str) -> list[bytes] | None:
    """The words of ``line`` without the number of times that it is to be run; None if quotes do not
    balance."""
    words = split_inline(_encoded(line))
    return words[1:] if words and words[0].isdigit() else words


def _paragraph(text: str) -> str:
    return textwrap.fill(text, _COLUMNS, initial_indent="    ", subsequent_indent="    ")


def syntax_of(command: Command) -> str:
    """Name and arguments, as users read them."""
    name = command.name.replace("|", " ").upper()
    return f"{name} {displayed(command.arguments)}".rstrip()


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _named(commands: list[Command]) -> list[Candidate]:
    return [Candidate(one.word.upper(), one.summary) for one in sorted(commands, key=_word_of)]


def _word_of(command: Command) -> str:
    return command.word


def _in_case_of(begun: str, word: str) -> str:
    return word.lower() if begun and begun == begun.lower() else word


def _after_word(left: list[Argument], word: str) -> list[Argument] | None:
    """What remains of ``left`` when ``word`` is typed; None if it fits nowhere.

    Optional arguments may come in any order, until the first one that must be there has been typed: then
    those before it cannot come any more.
    """
    for place, argument in enumerate(left):
        rest = _rest_of(argument, word)
        if rest is not None:
            skipped = left[:place] if argument.is_optional else []
            return rest + skipped + left[place + 1 :]
        if not argument.is_optional:
            return None
    return None


def _rest_of(argument: Argument, word: str) -> list[Argument] | None:
    """What must follow if ``word`` begins ``argument``; None if it does not."""
    rest: list[Argument] | None = []
    if argument.token:
        if word.upper() != argument.token.upper():
            return None
        if argument.kind != "pure-token":
            rest = [_variant(argument, token="")]
    elif argument.kind == "oneof":
        rests = [_rest_of(part, word) for part in argument.parts]
        rest = next((one for one in rests if one is not None), None)
    elif argument.kind == "block":
        rest = _after_word(argument.parts, word)
    if rest is not None and argument.is_multiple:
        token = argument.token if argument.repeats_token else ""
        if argument.token and rest:
            # The first of several values behind one token: more may follow.
            return [_variant(argument, token="", is_multiple=True)]
        return [*rest, _variant(argument, token=token, is_optional=True, is_multiple=True)]
    return rest


def _variant(
    argument: Argument, token: str, is_optional: bool = False, is_multiple: bool = False
) -> Argument:
    """``argument`` at a later place of the line."""
    made = Argument(argument.display_text, argument.kind)
    made.parts = argument.parts
    made.token = token
    made.is_optional = is_optional
    made.is_multiple = is_multiple
    made.repeats_token = argument.repeats_token
    return made


def _next_tokens(left: list[Argument]) -> list[str]:
    """The fixed words that may come now."""
    found: list[str] = []
    for argument in left:
        if argument.token:
            found.append(argument.token)
        elif argument.kind == "oneof":
            for part in argument.parts:
                found += _next_tokens([part])
        elif argument.kind == "block":
            found += _next_tokens(argument.parts)
        if not argument.is_optional:
            break
    return found


def _shown(argument: Argument) -> str:
    """``argument`` as users read it."""
    if argument.kind == "oneof":
        text = " | ".join(_shown(part) for part in argument.parts)
    elif argument.kind == "block":
        text = " ".join(_shown(part) for part in argument.parts)
    elif argument.kind == "pure-token":
        text = ""
    else:
        text = argument.display_text
    if argument.token:
        text = f"{argument.token} {text}".rstrip()
    if argument.is_multiple:
        text = f"{text} ..." if argument.is_optional else f"{text} [{text} ...]"
    if argument.is_optional:
        return f"[{text}]"
    return f"<{text}>" if argument.kind == "oneof" and not argument.token else text
