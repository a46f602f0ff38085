"""What README says works for whoever installs dscache: in a fresh environment, far from the tree.

The source archive is built once, and the wheel from it, as by those who have only that. Both builds are
interpreted (``DSCACHE_NO_COMPILE``): what matters here is which files there are and what they need, and mypyc
would take three minutes to say no more. (The compiled package is what all other tests run on.)

Packages come from where pip has those of ``pyproject.toml``; where it gets none these tests are skipped.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

import dscache
from pages import ROOT, blocks, run_on_a_terminal, with_free_ports
from test_packaging import DEVELOP

README: Final = (ROOT / "README.md").read_text("utf-8")

_BUILD_SDIST: Final = (
    "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"
)
# What is made in a tree, and what is for its repository only.
_NOT_SOURCE: Final = (".*", "build", "dist", "dscache-data", "*.egg-info", "__pycache__", "*.so")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def _run(
    *words: str | Path, folder: Path, environment: Mapping[str, str], fails: bool = False
) -> str:
    """What a program prints; it must succeed, unless it ``fails``."""
    done = subprocess.run(
        [os.fspath(word) for word in words],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert fails or done.returncode == 0, done.stdout
    return done.stdout


def _builder() -> dict[str, str]:
    """The environment of builds and of pip: ours, where pip finds its index, without the tree."""
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**ours, "DSCACHE_NO_COMPILE": "1"}


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive. It is made in a copy, as setuptools writes into the tree that it is called in."""
    folder = tmp_path_factory.mktemp("sdist")
    shutil.copytree(ROOT, folder / "tree", ignore=shutil.ignore_patterns(*_NOT_SOURCE))
    tree = folder / "tree"
    _run(sys.executable, "-c", _BUILD_SDIST, folder, folder=tree, environment=_builder())
    (archive,) = folder.glob("*.tar.gz")
    return archive


@dataclass(frozen=True)
class _Installed:
    """A virtual environment with dscache, and a folder to work in."""

    bin: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """That of somebody who has activated it, and knows nothing of us."""
        return {"PATH": f"{self.bin}:{os.defpath}", "HOME": str(self.home), "LANG": "C.UTF-8"}

    def run(self, *words: str | Path) -> str:
        return _run(*words, folder=self.home, environment=self.environment)


def _install(folder: Path, sdist: Path, *what: str | Path) -> _Installed:
    """A fresh virtual environment with ``what``, at the versions that the source archive names."""
    with tarfile.open(sdist) as archive:
        (constraints,) = [name for name in archive.getnames() if name.endswith("/constraints.txt")]
        archive.extract(constraints, folder, filter="data")
    home = folder / "home"
    home.mkdir()
    _run(sys.executable, "-m", "venv", folder / "venv", folder=home, environment=_builder())
    python = folder / "venv" / "bin" / "python"
    # One package first, of any version and without patience: is there anybody to get packages from?
    pip: list[str | Path] = [python, "-m", "pip", "--quiet"]
    words = [*pip, "--retries", "0", "install", "click"]
    said = _run(*words, folder=home, environment=_builder(), fails=True)
    if "click==" not in _run(*pip, "freeze", folder=home, environment=_builder()):
        pytest.skip(f"pip gets no packages here: {said.strip().splitlines()[-1]}")
    words = [*pip, "install", "--constraint", folder / constraints, *what]
    _run(*words, folder=home, environment=_builder())
    return _Installed(folder / "venv" / "bin", home)


def _wheel(sdist: Path, folder: Path) -> Path:
    words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    _run(*words, "--wheel-dir", folder, sdist, folder=folder, environment=_builder())
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_the_source_archive_has_what_building_and_testing_need(sdist: Path) -> None:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("the tree is no repository, which would tell what belongs to it")
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = _run(*words, folder=ROOT, environment=os.environ)
    ours = {name for name in listed.split("\0") if name and not name.startswith(".")}
    with tarfile.open(sdist) as archive:
        packed = {member.name.partition("/")[2] for member in archive if member.isfile()}
    assert ours - packed == set()
    made = {name for name in packed - ours if ".egg-info/" not in name}
    assert made == {"PKG-INFO", "setup.cfg"}, "nothing else is packed"


def test_the_wheel_has_every_file_of_the_package(sdist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = [member.name.partition("/src/")[2] for member in archive if member.isfile()]
    package = {name for name in names if name.startswith("dscache/")}
    assert {"dscache/py.typed", "dscache/http/console/index.html"} <= package
    with zipfile.ZipFile(_wheel(sdist, tmp_path)) as wheel:
        assert {name for name in wheel.namelist() if name.startswith("dscache/")} == package


def test_what_readme_says_works_where_the_wheel_is_installed(sdist: Path, tmp_path: Path) -> None:
    (pytest_line,) = [line for line in DEVELOP if line.startswith("pytest==")]
    installed = _install(tmp_path, sdist, _wheel(sdist, tmp_path), pytest_line)
    assert installed.run("dscache", "--version") == f"dscache, version {dscache.__version__}\n"
    assert "\nmaxmemory " in installed.run("dscache", "config")
    for subcommand in sorted(set(re.findall(r"(?:^|`)dscache ([a-z]+)", README, re.MULTILINE))):
        assert "Usage: dscache" in installed.run("dscache", subcommand, "--help")

    # The demonstration: a tenth of it, as README says for interpreted servers; `top` would wait for its q.
    (demonstration,) = blocks(with_free_ports(README), "sh")
    assert " 500000 " in demonstration
    script = demonstration.replace("00000 ", "0000 ")
    output, errors, code = run_on_a_terminal(
        "set -o pipefail\n" + script.replace("dscache top ", "dscache top --once "),
        installed.home,
        installed.environment,
    )
    assert code == 0, output + errors
    assert "maxmemory:16777216" in output
    assert "100.0 % of 20,000 GETs found their key" in output
    assert "hit ratio" in output

    (embedded,) = blocks(README, "python")
    (installed.home / "program.py").write_text(embedded)
    installed.run("python", "program.py")

    (installed.home / "test_project.py").write_text(
        "def test_a_client_is_given(dscache_client):\n"
        "    assert dscache_client.incr('visits') == 1\n"
    )
    assert "1 passed" in installed.run("python", "-m", "pytest", "-q", "test_project.py")


def test_the_source_archive_installs_with_the_packages_that_its_build_asks_for(
    sdist: Path, tmp_path: Path
) -> None:
    installed = _install(tmp_path, sdist, sdist)
    assert installed.run("dscache", "--version") == f"dscache, version {dscache.__version__}\n"
    (embedded,) = blocks(README, "python")
    (installed.home / "program.py").write_text(embedded)
    installed.run("python", "program.py")
