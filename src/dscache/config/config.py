"""The configuration of a running server: read at start, shown, changed and written back on request.

``Config`` holds one value per directive (see ``directives``). It is built once, from a file and the
command line, before anything else exists, and then belongs to the thread that runs commands: CONFIG
SET happens there, and only there.

A change is all or nothing. All new values are parsed before the first is stored, and parsing has no
effects. What can still fail is taking a value into use (listening on another port): the part of the
server that does it registers with ``on_change`` and may veto.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from dscache.config.directive import Boolean, Directive
from dscache.config.directives import (
    ALL_DIRECTIVES,
    DIRECTIVES_BY_NAME,
    MINIMUM_MAXMEMORY_BYTES,
    Directives,
)
from dscache.config.file import USER, Statement, read_statements, rewrite_file, with_includes
from dscache.config.memory import available_memory_bytes
from dscache.config.quoting import quoted
from dscache.errors import CommandLineError, ConfigError

_GLOB_CHARACTERS: Final = "[*?"


class Config(Directives):
    """The value of every directive, as an attribute: ``config.maxmemory``, ``config.cache_policy``.

    It extends ``Directives`` only so that the declarations have a file for themselves. Values are
    never assigned to; they change through ``set_many``.
    """

    def __init__(self) -> None:
        """Every directive at its default, and no file."""
        self.path: str | None = None
        #: The statements that define users, each with a name as its first word, as they were read.
        self.users: list[Statement] = []
        #: Who keeps the users gives the words of each statement as they are to be written back.
        self.present_users: Callable[[], list[list[str]]] = self._users_as_read
        self._listeners: list[tuple[frozenset[str], Callable[[Config], None]]] = []
        for directive in ALL_DIRECTIVES:
            self._store(directive, directive.default)

    @classmethod
    def from_arguments(cls, path: str | None, overrides: Sequence[tuple[str, list[str]]]) -> Config:
        """Read the file at ``path``, if one is given, then what stands on the command line.

        Later statements replace earlier ones. Raises ``ConfigError`` that says where what is wrong, and
        ``CommandLineError`` if that is on the command line itself.
        """
        config = cls()
        if path is not None:
            config.path = os.path.abspath(path)
            for statement in read_statements(path):
                config._apply(statement)
        for name, words in overrides:
            for statement in with_includes(Statement("", name, words)):
                config._apply(statement)
        return config

    @staticmethod
    def directives() -> tuple[Directive[object], ...]:
        """Return every directive, in the order of the annotated file."""
        return ALL_DIRECTIVES

    @staticmethod
    def find(name: str) -> Directive[object] | None:
        """Return the directive of that name, in upper or lower case."""
        return DIRECTIVES_BY_NAME.get(name.lower())

    def value_of(self, directive: Directive[object]) -> object:
        """Return the present value of a directive that is not known by name."""
        value: object = self.__dict__[directive.attribute]
        return value

    def resolved_maxmemory(self, root: Path = Path("/")) -> int:
        """Return the bytes that ``maxmemory`` means: itself, or a quarter of what there is if 0.

        Reads /proc and /sys below ``root`` in the second case.
        """
        if self.maxmemory:
            return self.maxmemory
        return max(available_memory_bytes(root) // 4, MINIMUM_MAXMEMORY_BYTES)

    def get_matching(
        self, patterns: Sequence[str], match: Callable[[str, str], bool]
    ) -> dict[str, str]:
        """Return name and value of the directives that a pattern matches, as CONFIG GET shows them.

        ``match(pattern, name)`` is the server's glob; it gets both in lower case. A pattern that is
        a plain name stands in the answer as it was written, which is what Redis does.
        """
        found: dict[str, str] = {}
        seen: set[str] = set()
        for pattern in patterns:
            folded = pattern.lower()
            is_glob = any(character in pattern for character in _GLOB_CHARACTERS)
            for name, directive in DIRECTIVES_BY_NAME.items():
                if name in seen or not (match(folded, name) if is_glob else folded == name):
                    continue
                seen.add(name)
                found[name if is_glob else pattern] = directive.render(self.value_of(directive))
        return found

    def set_many(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Change all the named directives to the given texts, or none of them.

        Raises ``ConfigError``; its text is the error reply of Redis, code first. Listeners of a
        directive whose value really changes (or that names a file, which may have changed) are called
        once, in the order of registration, when all new values are in place. If one vetoes, the old
        values come back and those called before it are called again.
        """
        new = self._parsed(pairs)
        old = [(directive, self.value_of(directive)) for directive, _ in new]
        changed = [
            directive.name
            for (directive, value), (_, old_value) in zip(new, old, strict=True)
            if value != old_value or directive.names_file
        ]
        for directive, value in new:
            self._store(directive, value)
        called: list[Callable[[Config], None]] = []
        for names, listener in self._listeners:
            concerned = [name for name in changed if name in names]
            if not concerned:
                continue
            try:
                listener(self)
            except ConfigError as veto:
                raise _set_failed(concerned[0], str(veto) + self._go_back(old, called)) from veto
            except BaseException:
                self._go_back(old, called)
                raise
            called.append(listener)

    def on_change(self, names: Iterable[str], listener: Callable[[Config], None]) -> None:
        """Have ``listener`` called after a change of any of the directives ``names``.

        It reads the new values from the ``Config`` that it gets and takes them into use. To veto,
        it raises ``ConfigError`` with the reason, having changed nothing. It may be called a second
        time with the old values, when a later listener vetoes.
        """
        watched = frozenset(names)
        assert watched <= DIRECTIVES_BY_NAME.keys(), f"no such directives: {watched}"
        assert not any(DIRECTIVES_BY_NAME[name].immutable for name in watched), (
            f"immutable directives never change: {watched}"
        )
        self._listeners.append((watched, listener))

    def rewrite(self) -> None:
        """Write the present values to the file that they were first read from (CONFIG REWRITE).

        Blocks for two fsyncs. Raises ``ConfigError``; its text is the error reply, code first.
        """
        if self.path is None:
            raise ConfigError("ERR The server is running without a config file")
        values = {directive.name: self.value_of(directive) for directive in ALL_DIRECTIVES}
        users = [" ".join([USER, *map(quoted, words)]) for words in self.present_users()]
        try:
            rewrite_file(self.path, values, users)
        except OSError as error:
            raise ConfigError(f"ERR Rewriting config file: {error.strerror}") from error

    def _users_as_read(self) -> list[list[str]]:
        return [statement.words for statement in self.users]

    def _apply(self, statement: Statement) -> None:
        if statement.name == USER:
            self._add_user(statement)
            return
        directive = self.find(statement.name)
        if directive is None:
            raise _unknown(statement)
        words = statement.words
        is_argument = not statement.place
        if is_argument and not words and isinstance(directive, Boolean):
            words = ["yes"]
        if not words:
            accepted = f"a value is missing: {directive.accepts()}"
            raise statement.error(f"wrong number of arguments, {accepted}")
        try:
            value = directive.parse(words, self.value_of(directive))
        except ConfigError as error:
            raise statement.error(f"{error}{directive.hint}", directive.secret) from error
        self._store(directive, value)

    def _add_user(self, statement: Statement) -> None:
        words = statement.words
        if not statement.place and len(words) == 1:
            # On the command line all of it may be one argument.
            words = words[0].split()
        if not words:
            raise statement.error("wrong number of arguments")
        self.users.append(Statement(statement.place, USER, words))

    def _parsed(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[Directive[object], object]]:
        """Check in the order in which Redis does: first all the names, then the values."""
        named: dict[Directive[object], str] = {}
        for name, text in pairs:
            directive = self.find(name)
            if directive is None:
                raise ConfigError(
                    f"ERR Unknown option or number of arguments for CONFIG SET - '{name}'"
                )
            if directive.immutable:
                raise _set_failed(name, "can't set immutable config")
            if directive in named:
                raise _set_failed(name, "duplicate parameter")
            named[directive] = text
        parsed: list[tuple[Directive[object], object]] = []
        for directive, text in named.items():
            try:
                value = directive.parse([text], self.value_of(directive))
            except ConfigError as error:
                raise _set_failed(directive.name, str(error)) from error
            parsed.append((directive, value))
        return parsed

    def _go_back(
        self,
        old: Sequence[tuple[Directive[object], object]],
        called: Sequence[Callable[[Config], None]],
    ) -> str:
        """Restore the old values, tell the listeners, and return what to add to the error, if any.

        A listener can fail here too (its former port may be taken by now). The others must still be
        told, and whoever sent CONFIG SET must learn of it.
        """
        for directive, value in old:
            self._store(directive, value)
        failures = ""
        for listener in called:
            try:
                listener(self)
            except ConfigError as error:
                failures += f"; the old value could not be taken back into use: {error}"
        return failures

    def _store(self, directive: Directive[object], value: object) -> None:
        self.__dict__[directive.attribute] = value


def parse_overrides(argv: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Group a command line ``--name value ... --name ...`` into names, in lower case, and values.

    A value may start with one dash (``--bind 127.0.0.1 -::1``), not with two.
    """
    overrides: list[tuple[str, list[str]]] = []
    for argument in argv:
        if argument.startswith("--"):
            overrides.append((argument[2:].lower(), []))
        elif overrides:
            overrides[-1][1].append(argument)
        else:
            raise CommandLineError(f"'{argument}': expected a directive such as --port")
    return overrides


def _unknown(statement: Statement) -> ConfigError:
    """Show the name only: the words of a misspelt ``requirepass`` are nobody's business."""
    similar = difflib.get_close_matches(statement.name, DIRECTIVES_BY_NAME, 1)
    if statement.place:
        remedy = f"; did you mean '{similar[0]}'?" if similar else ""
        return ConfigError(f"{statement.place}: '{statement.name}': unknown directive{remedy}")
    remedy = f"; did you mean --{similar[0]}?" if similar else ""
    return CommandLineError(f"--{statement.name}: unknown directive{remedy}")


def _set_failed(name: str, reason: str) -> ConfigError:
    return ConfigError(f"ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")
