"""What every test has: hypothesis's profiles, and a header that says what is being tested.

``ci`` (the default) runs the same examples every time, so that a change is judged by itself and not by
luck. ``HYPOTHESIS_PROFILE=long`` looks for new failures: many examples, from a seed that is drawn
here and printed, to be repeated with ``--hypothesis-seed``.
"""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import settings

import dscache

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("long", max_examples=5000, deadline=None, print_blob=True)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")
settings.load_profile(PROFILE)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Draw the seed before hypothesis looks for one; xdist hands the option on to its workers."""
    if PROFILE != "ci" and config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(random.randrange(2**32))


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Which dscache is tested, and with which examples."""
    how = "compiled" if dscache.is_compiled() else "interpreted"
    seed = config.option.hypothesis_seed or "derived from each test"
    return [
        f"dscache: {how}, from {os.path.dirname(dscache.__file__)}",
        f"hypothesis: profile {PROFILE}, --hypothesis-seed={seed}",
    ]
