"""From maxmemory to what entries may take."""

from __future__ import annotations

import subprocess
import sys

from dscache.engine.memory import MemoryBound
from manual_workers import ScriptedEngine

MB = 1 << 20


def test_entries_get_what_store_and_buffers_leave_over() -> None:
    bound = MemoryBound(64 * MB)
    assert bound.entries_limit() == 48 * MB
    bound.clients_bytes = 8 * MB
    assert bound.entries_limit() == 40 * MB
    bound.store_bytes = 20 * MB
    assert bound.entries_limit() == 36 * MB


def test_entries_keep_a_part_whatever_else_is_wanted() -> None:
    bound = MemoryBound(64 * MB)
    bound.clients_bytes = 1000 * MB
    assert bound.entries_limit() == 8 * MB


def test_the_target_is_between_what_is_needed_and_what_is_promised() -> None:
    for maxmemory in (8 * MB, 64 * MB, 1000 * MB, 64_000 * MB):
        bound = MemoryBound(maxmemory)
        largest = maxmemory * 1.2 + 64 * MB - maxmemory / 20 - 8 * MB
        assert bound.target_bytes() <= largest + 1
        assert bound.target_bytes() >= min(bound.baseline_bytes + maxmemory, largest) - 1


# In a process of its own: what other tests have left in memory, or give back meanwhile, counts too.
_SQUEEZED_AND_RELIEVED = """
from dscache.engine.memory import MemoryBound

MB = 1 << 20
bound = MemoryBound(64 * MB)
ballast = b"x" * (200 * MB)
for _ in range(100):
    bound.tick()
assert 0 < bound.correction_bytes <= 32 * MB
assert bound.peak_resident_bytes >= bound.baseline_bytes + 100 * MB
squeezed = bound.entries_limit()
assert squeezed < 48 * MB
del ballast
for _ in range(500):
    bound.tick()
assert bound.entries_limit() > squeezed
"""


def test_a_name_that_is_no_command_is_not_kept() -> None:
    scripted = ScriptedEngine()
    session = scripted.new_session()
    scripted.start("GET", "k", session=session)
    scripted.start(b"x" * MB, session=session)
    assert session.called_name == b"GET"
    assert session.last_command is session.called


def test_a_process_that_is_too_large_gets_less_and_recovers_when_it_is_not() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SQUEEZED_AND_RELIEVED], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
