"""dscache: a Redis-compatible server whose data set lives on disk; memory is a bounded cache of it.

Importing this package does nothing and costs nothing. The rooms inside it stand on floors, listed in
ARCHITECTURE.md; the program starts in ``dscache.cli``.
"""

from __future__ import annotations

from typing import Final

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
