"""dscache: a Redis-compatible server whose data set lives on disk; memory is a bounded cache of it.

Programs use ``open``, ``Server`` and ``dscache.asyncio.open`` (docs/embedded.md), which are imported when
they are first asked for: importing this package does nothing and costs nothing. The rooms inside it stand
on floors, listed in ARCHITECTURE.md; the command starts in ``dscache.cli``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dscache import asyncio as asyncio
    from dscache.embedded.child import Server as Server
    from dscache.embedded.client import open as open  # noqa: A004 (as dbm and gzip call it)

__version__: Final = "0.1.0"


def is_compiled() -> bool:
    """Whether the hot path runs as native code, i.e. this package was built with mypyc.

    One module answers for all, because setup.py compiles all of them or none. The module is found,
    not imported, so this is cheap and may be asked from anywhere, also by ``dscache --version``.
    """
    from importlib.machinery import ExtensionFileLoader  # noqa: PLC0415 (importing us stays free)
    from importlib.util import find_spec  # noqa: PLC0415

    spec = find_spec("dscache.wire.request")
    return spec is not None and isinstance(spec.loader, ExtensionFileLoader)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """The names above are imported when they are first asked for."""
        from importlib import import_module  # noqa: PLC0415

        if name == "asyncio":
            return import_module("dscache.asyncio")
        if name == "open":
            found: object = import_module("dscache.embedded.client").open
        elif name == "Server":
            found = import_module("dscache.embedded.child").Server
        else:
            raise AttributeError(f"module 'dscache' has no attribute {name!r}")
        globals()[name] = found
        return found
