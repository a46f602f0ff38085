"""Trouble with the disk: what the log and the clients are told."""

from __future__ import annotations

import logging

import pytest

from dscache.engine.trouble import TroubleLog, cause_of
from manual_workers import ScriptedEngine

_NESTED = (
    "RocksDB cannot write: IO error: No space left on device: While appending to file:"
    " /data/rocksdb/000012.sst: No space left on device; and the disk does not recover: RocksDB"
    " cannot write: IO error: No space left on device: /data/rocksdb/000013.sst"
)


def test_the_cause_is_what_the_operating_system_said_or_the_first_clause() -> None:
    assert cause_of(_NESTED) == "No space left on device"
    assert cause_of("the journal cannot be written: Input/output error") == "Input/output error"
    assert (
        cause_of("its compaction does not keep up; and so on") == "its compaction does not keep up"
    )


def test_trouble_is_told_when_it_begins_once_a_minute_and_when_it_is_over(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("dscache"), "propagate", True)
    trouble = TroubleLog("changes")
    for now in (100.1, 101.0, 150.0, 161.0, 200.0, 222.0):
        trouble.failed(now, 100.0, _NESTED)
    trouble.succeeded(230.0, 100.0)
    trouble.failed(231.0, 231.0, _NESTED)
    lines = [record.getMessage() for record in caplog.records]
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 5
    assert lines[0].startswith("changes cannot be written to disk: No space left on device. ")
    assert "INFO tells more" in lines[0]
    assert lines[1] == "changes cannot be written to disk, for 61 s now: No space left on device"
    assert lines[2] == "changes cannot be written to disk, for 122 s now: No space left on device"
    assert lines[3] == "changes can be written to disk again, after 130.0 s"
    assert lines[4] == lines[0]


def test_a_failing_commit_and_its_recovery_are_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("dscache"), "propagate", True)
    scripted = ScriptedEngine()
    scripted.run("SET", "k", "1")
    scripted.save()
    scripted.run("SET", "k", "2")
    assert caplog.records == []
    for _ in range(2):
        scripted.engine.flusher.retry_at = 0.0
        scripted.cut()
        scripted.encode()
        scripted.store.fail_commits = True
        scripted.workers.run_commit()
        scripted.be_quiet()
    scripted.store.fail_commits = False
    scripted.engine.flusher.retry_at = 0.0
    scripted.save()
    first, last = [record.getMessage() for record in caplog.records]
    assert first.startswith("the data set cannot be written to disk: ")
    assert last.startswith("the data set can be written to disk again, after ")
