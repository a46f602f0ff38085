"""What a figure is: one field of INFO, declared once, with its documentation.

INFO renders the table of figures (``dscache.engine.figures.table``), ``docs/info.md`` is generated from
it, and so are the metrics (``dscache.http.metrics``). A field that is not declared there does not exist;
there is no other way into INFO.

Names are Redis's wherever Redis has the figure, so that dashboards and clients find what they know. Where
Redis has a figure that makes no sense here it is left out, unless its absence breaks clients; then its
documentation says what it stands for.

Functions that read a figure get the engine, change nothing, never wait, and take O(1), or O(clients)
where the documentation of the section says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dscache.engine.engine import Engine

Value = int | float | str

#: Only grows, until CONFIG RESETSTAT or the end of the process.
COUNTER: Final = "counter"
#: Goes up and down.
GAUGE: Final = "gauge"
#: Not a number.
TEXT: Final = "text"


class Figure:
    """One line of INFO, ``name:value``."""

    def __init__(
        self,
        name: str,
        kind: str,
        doc: str,
        read: Callable[[Engine], Value],
        *,
        digits: int = 2,
        suffix: str = "",
    ) -> None:
        self.name: Final = name
        self.kind: Final = kind
        self.doc: Final = doc
        self.read: Final = read
        #: Decimals of a float, and what INFO shows behind the number (``%``).
        self._digits: Final = digits
        self._suffix: Final = suffix

    def line(self, engine: Engine) -> str:
        """The line as INFO shows it."""
        value = self.read(engine)
        text = f"{value:.{self._digits}f}" if isinstance(value, float) else str(value)
        return f"{self.name}:{text}{self._suffix}"


class Family:
    """Lines that there is one of for each command, database, ... ``name`` shows the pattern.

    ``form`` says what stands behind the colon.
    """

    def __init__(
        self,
        name: str,
        form: str,
        doc: str,
        read: Callable[[Engine], Iterable[tuple[str, str]]],
    ) -> None:
        self.name: Final = name
        self.form: Final = form
        self.doc: Final = doc
        self.read: Final = read

    def lines(self, engine: Engine) -> list[str]:
        """The lines as INFO shows them."""
        return [f"{name}:{text}" for name, text in self.read(engine)]


class Section:
    """A section of INFO: INFO calls it ``title`` and clients ask for it in lower case."""

    def __init__(
        self, title: str, doc: str, members: list[Figure | Family], *, is_default: bool = True
    ) -> None:
        self.title: Final = title
        self.name: Final = title.lower()
        self.doc: Final = doc
        self.members: Final = members
        #: Whether INFO without arguments shows it.
        self.is_default: Final = is_default

    def text(self, engine: Engine) -> str:
        """The section as INFO shows it."""
        lines = [f"# {self.title}"]
        for member in self.members:
            if isinstance(member, Figure):
                lines.append(member.line(engine))
            else:
                lines.extend(member.lines(engine))
        return "".join(f"{line}\r\n" for line in lines)


def human_bytes(count: int) -> str:
    """``count`` bytes in the unit that suits, as INFO's ``_human`` fields show it: ``1.50M``."""
    if count < 1024:
        return f"{count}B"
    size = float(count)
    for unit in "KMGT":
        size /= 1024
        if size < 1024:
            return f"{size:.2f}{unit}"
    return f"{size / 1024:.2f}P"
