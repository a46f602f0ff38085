"""What a directive is, and the kinds of value that one can have.

A ``Directive`` knows everything about one setting except its present value: name, default, what it
accepts, what it means. Each kind (``Integer``, ``Memory``, ...) turns the words of a configuration
line into a Python value and back. It is a descriptor, so that ``config.port`` is an ``int`` for the
type checker while ``Config.port`` is the directive itself, for whoever wants its documentation.

It has ``__get__`` but, on purpose, no ``__set__``: the values live in the ``__dict__`` of the
``Config`` under the same name, which Python then finds first. Reading a setting therefore costs
what any attribute costs, nobody needs a copy that could go stale, and the type checker still
refuses an assignment. The price: a class that holds directives must stay interpreted, as the native
classes of mypyc have no descriptors.

Values are immutable, so that an old one can be kept to go back to. The wording of the errors is
that of Redis 7.4 (``src/config.c``), because clients and their tests read it.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final, Generic, NamedTuple, TypeVar, overload

from dscache.config.quoting import quoted
from dscache.errors import ConfigError

T_co = TypeVar("T_co", covariant=True)

KB: Final = 1024
MB: Final = 1024 * KB
GB: Final = 1024 * MB
INT32_MAX: Final = 2**31 - 1
INT64_MAX: Final = 2**63 - 1

_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]{0,18}")
_OCTAL: Final = re.compile(r"[0-7]{1,21}")
_NUMBER: Final = re.compile(r"[0-9]{1,18}(\.[0-9]*)?|\.[0-9]+")
_MEMORY: Final = re.compile(r"([0-9]{1,20})([a-z]*)")
_UNIT_BYTES: Final = {
    "": 1, "b": 1, "k": 1000, "kb": KB, "m": 1000**2, "mb": MB, "g": 1000**3, "gb": GB,
}  # fmt: skip


class Section(NamedTuple):
    """A group of directives in the annotated file: a title and what the group is about."""

    title: str
    head: str


class Directive(ABC, Generic[T_co]):
    """One setting. ``doc`` is full sentences and names units.

    ``immutable``: read at start only, CONFIG SET refuses it. ``secret``: the value may be shown to
    a client that asks for it with CONFIG GET, but stands in no log, error or listing.
    """

    hint: str = ""
    """Added to an error of the file or the command line, to show what would be right."""

    names_file: bool = False
    """The value names a file that is read: setting it to the same value again reads it again."""

    def __init__(
        self,
        name: str,
        default: T_co,
        doc: str,
        section: Section,
        immutable: bool,
        secret: bool = False,
        alias: str = "",
    ) -> None:
        self.name: Final = name
        #: The name that it had in older Redis; accepted everywhere, written nowhere.
        self.alias: Final = alias
        self.attribute: Final = name.replace("-", "_")
        self.default: Final = default
        self.doc: Final = doc
        self.section: Final = section
        self.immutable: Final = immutable
        self.secret: Final = secret

    @overload
    def __get__(self, config: None, owner: type[object]) -> Directive[T_co]: ...
    @overload
    def __get__(self, config: object, owner: type[object]) -> T_co: ...
    def __get__(self, config: object, owner: type[object]) -> Directive[T_co] | T_co:
        assert config is None, f"{self.attribute} was read before Config.__init__ had set it"
        return self

    @abstractmethod
    def parse(self, words: Sequence[str], current: object, /) -> T_co:
        """Return the value that ``words`` mean; raise ``ConfigError`` with Redis's text if none.

        ``current`` is the value so far, for the one kind whose lines add up.
        """

    @abstractmethod
    def render(self, value: object) -> str:
        """Return ``value`` as CONFIG GET shows it; ``parse`` reads it back to the same value."""

    @abstractmethod
    def accepts(self) -> str:
        """Say in words which values are accepted, for the documentation."""

    def lines(self, value: object) -> list[str]:
        """Return the line or lines that set ``value`` in a file."""
        return [f"{self.name} {self._file_text(value)}"]

    def _file_text(self, value: object) -> str:
        return self.render(value)


class Integer(Directive[int]):
    """A whole number between two bounds, both allowed."""

    def __init__(
        self,
        name: str,
        *,
        default: int,
        minimum: int,
        maximum: int,
        doc: str,
        section: Section,
        immutable: bool = False,
        alias: str = "",
    ) -> None:
        super().__init__(name, default, doc, section, immutable, alias=alias)
        self.minimum: Final = minimum
        self.maximum: Final = maximum

    def parse(self, words: Sequence[str], _current: object, /) -> int:
        value = _integer(_only(words))
        if value is None:
            raise ConfigError("argument couldn't be parsed into an integer")
        if not self.minimum <= value <= self.maximum:
            raise _out_of_bounds(str(self.minimum), str(self.maximum))
        return value

    def render(self, value: object) -> str:
        return str(value)

    def accepts(self) -> str:
        if self.maximum >= INT32_MAX:
            return f"an integer, at least {self.minimum}"
        return f"an integer from {self.minimum} to {self.maximum}"


class Octal(Directive[int]):
    """File permissions, written in octal as for chmod."""

    hint = ", such as 700"

    def __init__(
        self, name: str, *, default: int, maximum: int, doc: str, section: Section
    ) -> None:
        super().__init__(name, default, doc, section, immutable=True)
        self.maximum: Final = maximum

    def parse(self, words: Sequence[str], _current: object, /) -> int:
        word = _only(words)
        if not _OCTAL.fullmatch(word):
            raise ConfigError("argument couldn't be parsed as an octal number")
        value = int(word, 8)
        if value > self.maximum:
            raise _out_of_bounds("0", f"{self.maximum:o}")
        return value

    def render(self, value: object) -> str:
        assert isinstance(value, int)
        return f"{value:o}"

    def accepts(self) -> str:
        return f"an octal number from 0 to {self.maximum:o}"


class Memory(Directive[int]):
    """A number of bytes. Units: b, k (1000), kb (1024), m, mb, g, gb, in upper or lower case.

    ``zero_allowed``: 0 stands for something else than a size, which ``doc`` explains, and is
    accepted although it is below ``minimum``.
    """

    hint = ", such as 100mb"

    def __init__(
        self,
        name: str,
        *,
        default: int,
        minimum: int,
        doc: str,
        section: Section,
        zero_allowed: bool = False,
    ) -> None:
        super().__init__(name, default, doc, section, immutable=False)
        self.minimum: Final = minimum
        self.zero_allowed: Final = zero_allowed

    def parse(self, words: Sequence[str], _current: object, /) -> int:
        value = _memory_bytes(_only(words))
        if value is None:
            raise ConfigError("argument must be a memory value")
        if self.zero_allowed and value == 0:
            return value
        if self.zero_allowed and value < self.minimum:
            raise ConfigError(f"argument must be 0 or at least {_memory_text(self.minimum)}")
        if not self.minimum <= value <= INT64_MAX:
            raise _out_of_bounds(str(self.minimum), str(INT64_MAX))
        return value

    def render(self, value: object) -> str:
        return str(value)

    def accepts(self) -> str:
        zero = "0, or " if self.zero_allowed else ""
        return f"{zero}a memory size, at least {_memory_text(self.minimum)}"

    def _file_text(self, value: object) -> str:
        assert isinstance(value, int)
        return _memory_text(value)


class MemoryOrPercent(Directive[int]):
    """A number of bytes as ``Memory``, or a percentage up to 100, which is kept as a negative number."""

    hint = ", such as 100mb or 10%"

    def __init__(self, name: str, *, default: int, doc: str, section: Section) -> None:
        super().__init__(name, default, doc, section, immutable=False)

    def parse(self, words: Sequence[str], _current: object, /) -> int:
        word = _only(words)
        percentage = _integer(word[:-1]) if word.endswith("%") else None
        if percentage is not None and percentage >= 0:
            if percentage > 100:
                raise ConfigError("percentage argument must be less or equal to 100")
            return -percentage
        value = _memory_bytes(word)
        if value is None:
            raise ConfigError("argument must be a memory or percent value")
        if value > INT64_MAX:
            raise _out_of_bounds("-100", str(INT64_MAX))
        return value

    def render(self, value: object) -> str:
        assert isinstance(value, int)
        return f"{-value}%" if value < 0 else str(value)

    def accepts(self) -> str:
        return "0, a memory size, or a percentage of maxmemory from 0% to 100%"

    def _file_text(self, value: object) -> str:
        assert isinstance(value, int)
        return self.render(value) if value < 0 else _memory_text(value)


class Seconds(Directive[float]):
    """A duration in seconds, to the microsecond."""

    def __init__(
        self, name: str, *, default: float, maximum: float, doc: str, section: Section
    ) -> None:
        super().__init__(name, default, doc, section, immutable=False)
        self.maximum: Final = maximum

    def parse(self, words: Sequence[str], _current: object, /) -> float:
        word = _only(words)
        value = _number(word.removeprefix("-"))
        if value is None:
            raise ConfigError("argument couldn't be parsed into a number of seconds")
        if word.startswith("-") or value > self.maximum:
            raise _out_of_bounds("0", _number_text(self.maximum))
        return value

    def render(self, value: object) -> str:
        assert isinstance(value, float)
        return _number_text(value)

    def accepts(self) -> str:
        return f"a number of seconds from 0 to {_number_text(self.maximum)}, fractions allowed"


class Boolean(Directive[bool]):
    """A switch, ``yes`` or ``no``."""

    def __init__(
        self, name: str, *, default: bool, doc: str, section: Section, immutable: bool = False
    ) -> None:
        super().__init__(name, default, doc, section, immutable)

    def parse(self, words: Sequence[str], _current: object, /) -> bool:
        word = _only(words).lower()
        if word not in ("yes", "no"):
            raise ConfigError("argument must be 'yes' or 'no'")
        return word == "yes"

    def render(self, value: object) -> str:
        return "yes" if value else "no"

    def accepts(self) -> str:
        return "yes or no"


class Choice(Directive[str]):
    """One of a few words. ``remedy`` is what whoever wants another one should know."""

    def __init__(
        self,
        name: str,
        *,
        default: str,
        choices: tuple[str, ...],
        doc: str,
        section: Section,
        immutable: bool = False,
        remedy: str = "",
    ) -> None:
        super().__init__(name, default, doc, section, immutable)
        self.choices: Final = choices
        self._remedy: Final = remedy

    def parse(self, words: Sequence[str], _current: object, /) -> str:
        word = _only(words).lower()
        if word not in self.choices:
            listed = ", ".join(self.choices)
            raise ConfigError(f"argument(s) must be one of the following: {listed}{self._remedy}")
        return word

    def render(self, value: object) -> str:
        return str(value)

    def accepts(self) -> str:
        return "one of " + ", ".join(self.choices)


class Text(Directive[str]):
    """Any text, such as a path or a password. ``required``: it may not be empty."""

    def __init__(
        self,
        name: str,
        *,
        default: str,
        doc: str,
        section: Section,
        immutable: bool = False,
        secret: bool = False,
        required: bool = False,
        names_file: bool = False,
    ) -> None:
        super().__init__(name, default, doc, section, immutable, secret)
        self.required: Final = required
        self.names_file = names_file

    def parse(self, words: Sequence[str], _current: object, /) -> str:
        word = _only(words)
        if self.required and not word:
            raise ConfigError("argument can't be empty")
        return word

    def render(self, value: object) -> str:
        return str(value)

    def accepts(self) -> str:
        return "a text" if self.required else 'a text; "" for none'

    def _file_text(self, value: object) -> str:
        return quoted(str(value))


class FileName(Directive[str]):
    """The name of a file in a directory that is known. Immutable."""

    def __init__(self, name: str, *, default: str, doc: str, section: Section) -> None:
        super().__init__(name, default, doc, section, immutable=True)

    def parse(self, words: Sequence[str], _current: object, /) -> str:
        word = _only(words)
        if "/" in word or word in ("", ".", ".."):
            raise ConfigError(f"{self.name} can't be a path, just a filename")
        return word

    def render(self, value: object) -> str:
        return str(value)

    def accepts(self) -> str:
        return "a file's name, without a path"

    def _file_text(self, value: object) -> str:
        return quoted(str(value))


class Words(Directive[tuple[str, ...]]):
    """A list of words without blanks in them; may be empty."""

    def __init__(
        self,
        name: str,
        *,
        default: tuple[str, ...],
        maximum_words: int,
        too_many: str,
        doc: str,
        section: Section,
        immutable: bool = False,
    ) -> None:
        super().__init__(name, default, doc, section, immutable)
        self.maximum_words: Final = maximum_words
        self._too_many: Final = too_many

    def parse(self, words: Sequence[str], _current: object, /) -> tuple[str, ...]:
        value = tuple(_flattened(words))
        if len(value) > self.maximum_words:
            raise ConfigError(self._too_many)
        return value

    def render(self, value: object) -> str:
        assert isinstance(value, tuple)
        return " ".join(value)

    def accepts(self) -> str:
        return f'up to {self.maximum_words} words; "" for none'

    def _file_text(self, value: object) -> str:
        assert isinstance(value, tuple)
        return " ".join(map(quoted, value)) or '""'


class Percentiles(Directive[tuple[float, ...]]):
    """A list of percentages from 0 to 100, to six decimals; may be empty."""

    def __init__(
        self, name: str, *, default: tuple[float, ...], doc: str, section: Section
    ) -> None:
        super().__init__(name, default, doc, section, immutable=False)

    def parse(self, words: Sequence[str], _current: object, /) -> tuple[float, ...]:
        return tuple(self._percentile(word) for word in _flattened(words))

    def render(self, value: object) -> str:
        assert isinstance(value, tuple)
        return " ".join(map(_number_text, value))

    def accepts(self) -> str:
        return 'numbers from 0 to 100; "" for none'

    def _file_text(self, value: object) -> str:
        return self.render(value) or '""'

    def _percentile(self, word: str) -> float:
        value = _number(word.removeprefix("-"))
        if value is None:
            raise ConfigError(f"Invalid {self.name} parameters")
        if word.startswith("-") or value > 100:
            raise ConfigError(f"{self.name} parameters should sit between [0.0,100.0]")
        return value


class EventClasses(Directive[str]):
    """Classes of keyspace events, a letter each. The value has every letter once, in Redis's order."""

    _LETTERS: Final = "g$lshzxetdnKEm"
    #: What ``A`` stands for.
    _ALL: Final = "g$lshzxetd"

    def __init__(self, name: str, *, default: str, doc: str, section: Section) -> None:
        super().__init__(name, default, doc, section, immutable=False)

    def parse(self, words: Sequence[str], _current: object, /) -> str:
        given = set(_only(words))
        if "A" in given:
            given = given - {"A"} | set(self._ALL)
        if not given <= set(self._LETTERS):
            raise ConfigError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
        return "".join(letter for letter in self._LETTERS if letter in given)

    def render(self, value: object) -> str:
        """As Redis, which does not show an ``n`` beside ``A``."""
        text = str(value)
        return text.replace(self._ALL, "A").replace("An", "A")

    def accepts(self) -> str:
        return f'some of the letters A{self._LETTERS}; "" for none'

    def _file_text(self, value: object) -> str:
        return quoted(str(value).replace(self._ALL, "A"))


class SavePoints(Directive[tuple[tuple[int, int], ...]]):
    """Pairs of seconds and changes. Lines add up, "" removes them all; CONFIG SET replaces them."""

    hint = '. It is written as: 3600 1, or "" for none'

    def __init__(self, name: str, *, doc: str, section: Section) -> None:
        super().__init__(name, (), doc, section, immutable=False)

    def parse(self, words: Sequence[str], current: object, /) -> tuple[tuple[int, int], ...]:
        assert isinstance(current, tuple)
        parts = _flattened(words)
        if not parts:
            return ()
        numbers = [_integer(part) for part in parts]
        pairs = [
            (seconds, changes)
            for seconds, changes in zip(numbers[::2], numbers[1::2], strict=False)
            if seconds is not None and changes is not None and seconds >= 1 and changes >= 0
        ]
        if len(pairs) * 2 != len(parts):
            raise ConfigError("Invalid save parameters")
        # A line of a file or of the command line comes in words, that of CONFIG SET as one text.
        return (*(current if len(words) > 1 else ()), *pairs)

    def render(self, value: object) -> str:
        assert isinstance(value, tuple)
        return " ".join(f"{seconds} {changes}" for seconds, changes in value)

    def accepts(self) -> str:
        return 'seconds and changes, or "" for none'

    def lines(self, value: object) -> list[str]:
        assert isinstance(value, tuple)
        if not value:
            return [f'{self.name} ""']
        return [f"{self.name} {seconds} {changes}" for seconds, changes in value]


class OutputLimit(NamedTuple):
    """When a client that does not read its replies is disconnected; 0 means never.

    At once above ``hard_bytes``, or after ``soft_seconds`` on end above ``soft_bytes``.
    """

    hard_bytes: int
    soft_bytes: int
    soft_seconds: int


class OutputLimits(NamedTuple):
    """The limit of each class of clients."""

    normal: OutputLimit
    replica: OutputLimit
    pubsub: OutputLimit


class BufferLimits(Directive[OutputLimits]):
    """Output limits by class of clients. Lines add up: each changes the classes that it names."""

    hint = " It is written as: pubsub 32mb 8mb 60"

    def __init__(self, name: str, *, default: OutputLimits, doc: str, section: Section) -> None:
        super().__init__(name, default, doc, section, immutable=False)

    def parse(self, words: Sequence[str], current: object, /) -> OutputLimits:
        assert isinstance(current, OutputLimits)
        parts = _flattened(words)
        if len(parts) % 4:
            raise ConfigError("Wrong number of arguments in buffer limit configuration.")
        normal, replica, pubsub = current
        for at in range(0, len(parts), 4):
            client_class = parts[at].lower()
            if client_class not in ("normal", "replica", "slave", "pubsub"):
                raise ConfigError("Invalid client class specified in buffer limit configuration.")
            limit = _output_limit(parts[at + 1 : at + 4])
            if client_class == "normal":
                normal = limit
            elif client_class == "pubsub":
                pubsub = limit
            else:
                replica = limit
        return OutputLimits(normal, replica, pubsub)

    def render(self, value: object) -> str:
        assert isinstance(value, OutputLimits)
        classes = (("normal", value.normal), ("slave", value.replica), ("pubsub", value.pubsub))
        return " ".join(f"{name} {hard} {soft} {s}" for name, (hard, soft, s) in classes)

    def accepts(self) -> str:
        return "a class (normal, replica, pubsub), hard limit, soft limit and soft limit's seconds"

    def lines(self, value: object) -> list[str]:
        assert isinstance(value, OutputLimits)
        classes = (("normal", value.normal), ("replica", value.replica), ("pubsub", value.pubsub))
        return [
            f"{self.name} {name} {_memory_text(hard)} {_memory_text(soft)} {seconds}"
            for name, (hard, soft, seconds) in classes
        ]


def _only(words: Sequence[str]) -> str:
    if len(words) != 1:
        raise ConfigError("wrong number of arguments")
    return words[0]


def _flattened(words: Sequence[str]) -> list[str]:
    """The words of a list, whether it came as several words or, as from CONFIG SET, as one text."""
    if not words:
        raise ConfigError("wrong number of arguments")
    return [part for word in words for part in word.split()]


def _out_of_bounds(minimum: str, maximum: str) -> ConfigError:
    return ConfigError(f"argument must be between {minimum} and {maximum} inclusive")


def _integer(text: str) -> int | None:
    """A 64-bit integer as Redis reads one: no plus sign, no leading zeros, no blanks."""
    if not _INTEGER.fullmatch(text):
        return None
    value = int(text)
    return value if -INT64_MAX - 1 <= value <= INT64_MAX else None


def _number(text: str) -> float | None:
    """A number that is not negative, to six decimals, so that what is shown is what is meant."""
    return round(float(text), 6) if _NUMBER.fullmatch(text) else None


def _number_text(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _memory_bytes(text: str) -> int | None:
    parts = _MEMORY.fullmatch(text.lower())
    if parts is None or parts[2] not in _UNIT_BYTES:
        return None
    return int(parts[1]) * _UNIT_BYTES[parts[2]]


def _memory_text(value: int) -> str:
    """The shortest exact text: 512mb rather than 536870912."""
    for unit, unit_bytes in (("gb", GB), ("mb", MB), ("kb", KB)):
        if value and value % unit_bytes == 0:
            return f"{value // unit_bytes}{unit}"
    return str(value)


def _output_limit(parts: Sequence[str]) -> OutputLimit:
    hard_bytes, soft_bytes = _memory_bytes(parts[0]), _memory_bytes(parts[1])
    soft_seconds = _integer(parts[2])
    if hard_bytes is None or soft_bytes is None or soft_seconds is None or soft_seconds < 0:
        raise ConfigError(
            "Error in hard, soft or soft_seconds setting in buffer limit configuration."
        )
    return OutputLimit(hard_bytes, soft_bytes, soft_seconds)
