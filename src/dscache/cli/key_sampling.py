"""The biggest and the hottest keys in memory, found a few at a time.

Each look takes some pages of SCAN and those keys that have turned out big or hot, asks which of them are in
memory (CACHE RESIDENT), and looks at these alone: a sample must not bring keys from the disk, nor make them
look used (CLIENT NO-TOUCH). A key that leaves memory between the two questions would be loaded; that has
milliseconds to happen in. Servers without CACHE have all keys in memory.

So a key that is in memory is seen once in as many looks as it takes to scan the database; with a million
keys, all of them in memory, and a look each second, that is two hours. One that is found stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dscache.cli.link import Link, request
from dscache.wire.reply import ErrorReply

#: Keys of a page of SCAN, and pages of a look.
_PAGE: Final = 100
_PAGES: Final = 5
#: Keys that a look asks about, and how many of them at a time, so that others get their turn.
_LOOKS: Final = 200
_BATCH: Final = 50
#: As many of the biggest and of the hottest are remembered.
_KEPT: Final = 20


@dataclass(frozen=True, slots=True)
class KeySample:
    """What a key in memory takes, and how much it is used."""

    name: bytes
    size_bytes: int
    #: Seconds since its last use; None where the server counts uses instead.
    idle_s: int | None
    #: The counter of uses, where the server keeps one (LFU).
    frequency: int | None


class KeySampler:
    """See the module's docstring. Raises LinkError as the link does."""

    def __init__(self) -> None:
        self._cursor = b"0"
        self._has_residency = True
        #: What OBJECT can tell of a key's use: FREQ (a policy that counts) or IDLETIME; empty if neither,
        #: None as long as that has not been tried. (What is refused counts as an error in INFO.)
        self._use: bytes | None = None
        self._known: dict[bytes, KeySample] = {}

    def biggest(self) -> list[KeySample]:
        """Those found so far that take most."""
        return sorted(self._known.values(), key=lambda one: -one.size_bytes)[:_KEPT]

    def hottest(self) -> list[KeySample]:
        """Those found so far that are used most, or were used last."""
        return sorted(self._known.values(), key=_coldness)[:_KEPT]

    def look(self, link: Link) -> None:
        """Look at some keys."""
        names = self._resident(link, list(self._known))
        for _ in range(_PAGES):
            names += self._resident(link, self._next_page(link))
            if len(names) >= _LOOKS or self._cursor == b"0":
                break
        names = list(dict.fromkeys(names))[:_LOOKS]
        if names and self._use is None:
            self._use = _use_told(link, names[0])
        self._known = {}
        for start in range(0, len(names), _BATCH):
            for sample in self._samples(link, names[start : start + _BATCH]):
                self._known[sample.name] = sample
        self._known = {one.name: one for one in [*self.biggest(), *self.hottest()]}

    def _samples(self, link: Link, names: list[bytes]) -> list[KeySample]:
        """A look at each of ``names`` that is still there."""
        questions = [(b"MEMORY", b"USAGE")]
        if self._use:
            questions.append((b"OBJECT", self._use))
        link.send_bytes(b"".join(request([*one, name]) for name in names for one in questions))
        found: list[KeySample] = []
        for name in names:
            answers = [link.read() for _ in questions]
            size, use = answers[0], answers[-1] if self._use else None
            if isinstance(size, int):
                figure = use if isinstance(use, int) else None
                is_count = self._use == b"FREQ"
                found.append(
                    KeySample(
                        name, size, None if is_count else figure, figure if is_count else None
                    )
                )
        return found

    def _next_page(self, link: Link) -> list[bytes]:
        reply = link.call(b"SCAN", self._cursor, b"COUNT", b"%d" % _PAGE)
        if not isinstance(reply, list) or len(reply) != 2:
            return []  # no right to SCAN
        cursor, names = reply
        if not isinstance(cursor, bytes) or not isinstance(names, list):
            return []
        self._cursor = cursor
        return [name for name in names if isinstance(name, bytes)]

    def _resident(self, link: Link, names: list[bytes]) -> list[bytes]:
        if not names or not self._has_residency:
            return names
        reply = link.call(b"CACHE", b"RESIDENT", *names)
        if isinstance(reply, ErrorReply) and reply.text.startswith(b"ERR unknown command"):
            self._has_residency = False
            return names
        if not isinstance(reply, list):
            return []  # no right to ask: better look at nothing than load it
        return [name for name, is_there in zip(names, reply, strict=False) if is_there]


def _use_told(link: Link, name: bytes) -> bytes | None:
    """What the server tells of the use of keys, see ``KeySampler._use``; None if ``name`` is gone."""
    for use in (b"FREQ", b"IDLETIME"):
        reply = link.call(b"OBJECT", use, name)
        if reply is None:
            return None
        if isinstance(reply, int):
            return use
    return b""


def _coldness(sample: KeySample) -> tuple[int, int]:
    return -(sample.frequency or 0), sample.idle_s or 0
