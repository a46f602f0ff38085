"""INFO: the figures of ``dscache.engine.figures``, section by section."""

from __future__ import annotations

from typing import Final

from dscache.engine.command import LOADING, STALE, Registry
from dscache.engine.figures.figure import Section
from dscache.engine.figures.table import SECTIONS
from dscache.engine.session import Session
from dscache.wire.reply import Verbatim

registry: Final = Registry("server", "")


@registry.command(
    "INFO [section [section ...]]",
    arity=-1,
    flags=LOADING | STALE,
    since="1.0.0",
    complexity="O(1)",
    categories="dangerous",
    history=[("7.0.0", "Takes several sections.")],
    tips="nondeterministic_output request_policy:all_shards response_policy:special",
)
def info(session: Session, args: list[bytes]) -> object:
    """Shows figures of the server, by section; those of a section unknown to it are none."""
    wanted = {arg.decode("utf-8", "replace").lower() for arg in args[1:]} or {"default"}
    engine = session.engine
    shown = [section.text(engine) for section in SECTIONS if _is_wanted(section, wanted)]
    return Verbatim("\r\n".join(shown).encode("utf-8", "surrogateescape"))


def _is_wanted(section: Section, wanted: set[str]) -> bool:
    return (
        section.name in wanted
        or not wanted.isdisjoint(("all", "everything"))
        or (section.is_default and "default" in wanted)
    )
