"""The examples in docs/embedded.md run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from embedded_project import run_project

PAGE = Path(__file__).parents[2] / "docs" / "embedded.md"


def examples() -> list[str]:
    """The blocks of Python, in their order."""
    return re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_the_examples_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    programs = [text for text in examples() if "def test_" not in text and "pytest" not in text]
    assert len(programs) == 4
    for text in programs:
        exec(text, names)
    assert capsys.readouterr().out.startswith("redis://127.0.0.1:")


def test_the_examples_of_tests_pass(tmp_path: Path) -> None:
    (tests,) = [text for text in examples() if "def test_" in text]
    (conftest,) = [text for text in examples() if "import pytest" in text]
    assert "2 passed" in run_project(tmp_path, conftest=conftest, test_project=tests)
