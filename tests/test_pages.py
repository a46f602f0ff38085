"""The tutorial, the how-to guides and the examples do what they say: their blocks are run, in order, and
compared with what they show."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from embedded_project import run_project
from pages import ROOT, agrees, commands_and_output, run_on_a_terminal, with_free_ports

GUIDES = sorted((ROOT / "docs" / "howto").glob("*.md"))
PAGES = [
    page
    for page in [ROOT / "docs" / "tutorial.md", ROOT / "docs" / "examples.md", *GUIDES]
    if commands_and_output(page.read_text("utf-8"))
]

# A block of Python whose first line is the name of its file.
_FILE = re.compile(r"^```python\n# (\w+)\.py\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROJECTS = [page for page in GUIDES if _FILE.search(page.read_text("utf-8"))]

# What fits beside the list of pages: the rest of a longer line is out of sight until it is scrolled to. That
# is no harm to a command that is copied, but a picture without its right side says something else.
_PICTURE_COLUMNS = 92
_PICTURE = re.compile(r"[─│▲▼►◄]")

_END = "-- end of a block --"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    text = with_free_ports(page.read_text("utf-8"))
    if "openssl " in text and shutil.which("openssl") is None:
        pytest.skip("the page makes certificates with openssl, which is not here")
    found = commands_and_output(text)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "bin").mkdir()
    for name, words in (("dscache", "-m dscache "), ("python3", "")):
        program = tmp_path / "bin" / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {words}"$@"\n')
        program.chmod(0o755)
    script = "".join(f"{commands}\necho '{_END}'\n" for commands, _ in found)
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    output, errors, code = run_on_a_terminal(script, tmp_path, environment)
    came = output.split(f"{_END}\n")
    for (commands, shown), part in zip(found, came, strict=False):
        assert agrees(shown, part), f"{commands}\n{part}\n{errors}"
    assert code == 0, output + errors
    assert len(came) == len(found) + 1


@pytest.mark.parametrize("page", PROJECTS, ids=lambda page: page.stem)
def test_the_project_that_a_guide_shows_passes_its_tests(page: Path, tmp_path: Path) -> None:
    files = dict(_FILE.findall(page.read_text("utf-8")))
    assert " passed" in run_project(tmp_path, **files)


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *(ROOT / "docs").glob("*.md")], ids=lambda page: page.stem
)
def test_the_pictures_of_a_page_are_seen_whole(page: Path) -> None:
    lines = page.read_text("utf-8").splitlines()
    assert [one for one in lines if _PICTURE.search(one) and len(one) > _PICTURE_COLUMNS] == []
