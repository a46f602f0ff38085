"""The tests must run on the build they are meant for; a mix-up would make all others mean nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version

import pytest

import dscache

EXPECTED = os.environ.get("DSCACHE_EXPECT_COMPILED")


@pytest.mark.skipif(EXPECTED is None, reason="only the Makefile says which build to expect")
def test_the_package_under_test_is_the_one_asked_for() -> None:
    assert dscache.is_compiled() is (EXPECTED == "1"), f"imported {dscache.__file__}"


def test_importing_the_package_imports_nothing_else_of_it() -> None:
    program = "import sys, dscache; print([name for name in sys.modules if 'dscache.' in name])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert result.stdout.strip() == b"[]"


@pytest.mark.skipif(EXPECTED != "1", reason="the source tree need not be installed")
def test_the_installed_metadata_has_the_version_of_the_source() -> None:
    assert version("dscache") == dscache.__version__
