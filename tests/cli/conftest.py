"""The command line as a child process."""

from __future__ import annotations

import pytest

from serving import run_dscache
from terminal import Dscache


@pytest.fixture
def dscache() -> Dscache:
    """Runs ``dscache words``."""
    return run_dscache
