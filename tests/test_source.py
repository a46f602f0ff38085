"""What the source must not do, found by reading it: mistakes that neither mypy nor ruff knows."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "dscache"


@pytest.mark.skipif(not SOURCE.exists(), reason="the source is not here")
def test_no_function_catches_different_exceptions_under_one_name() -> None:
    """mypyc gives the name the type of the first and dies of the second, with a TypeError.

    EXEC with a DBSIZE inside did, in the compiled package only. Where the first is one of Python's
    own, all goes well; where nothing is compiled it would too, but who remembers that.
    """
    mistakes = []
    for path in SOURCE.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                caught: dict[str, str] = {}
                for handler in ast.walk(function):
                    if isinstance(handler, ast.ExceptHandler) and handler.name and handler.type:
                        kind = ast.unparse(handler.type)
                        if caught.setdefault(handler.name, kind) != kind:
                            mistakes.append(f"{path}:{handler.lineno}: {handler.name}")
    assert mistakes == []


@pytest.mark.skipif(not SOURCE.exists(), reason="the source is not here")
def test_every_module_is_named_in_the_house_table_of_the_architecture_and_only_once() -> None:
    rows = {}
    for line in (SOURCE.parent.parent / "ARCHITECTURE.md").read_text().splitlines():
        room = re.match(r"\| \d \| `([a-z_]+)/?`", line)
        if room is not None:
            rows[room[1]] = line
    mistakes = []
    for path in SOURCE.rglob("*.py"):
        room_name, *rest = path.relative_to(SOURCE).with_suffix("").parts
        if not rest:
            # ``errors`` and ``clock`` share the row of ``config``.
            rest, room_name = [room_name], room_name if room_name in rows else "config"
        if rest[-1].startswith("__"):
            continue
        name = "/".join(rest)
        found = rows[room_name].count(f"`{name}`")
        if found != 1:
            mistakes.append(f"{room_name}: {name} stands there {found} times")
    assert mistakes == []
