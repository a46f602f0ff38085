"""``python -m dscache`` is the ``dscache`` command."""

from __future__ import annotations

from dscache.cli.main import main

if __name__ == "__main__":
    main()
