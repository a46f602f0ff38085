"""Dependencies are written down in several places; these tests keep the places in step."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PYPROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUN: Final[list[str]] = PYPROJECT["project"]["dependencies"]
DEVELOP: Final[list[str]] = PYPROJECT["project"]["optional-dependencies"]["dev"]
BUILD: Final[list[str]] = PYPROJECT["build-system"]["requires"]
TRANSITIVE: Final = [
    line
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
]


def test_every_requirement_is_pinned_to_one_version() -> None:
    loose = [line for line in RUN + DEVELOP + BUILD + TRANSITIVE if line.count("==") != 1]
    assert loose == []


def test_a_package_has_the_same_version_wherever_it_is_named() -> None:
    pins: dict[str, str] = {}
    for name, _, wanted in (line.partition("==") for line in RUN + DEVELOP + BUILD):
        assert pins.setdefault(name, wanted) == wanted, name


def test_the_constraints_name_only_what_pyproject_does_not() -> None:
    direct = {line.partition("==")[0].lower() for line in RUN + DEVELOP + BUILD}
    assert [line for line in TRANSITIVE if line.partition("==")[0].lower() in direct] == []
