"""The history of the prompt is private, bounded, and holds no secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from dscache.cli.hints import Guide
from dscache.cli.history import SafeHistory, history_path, may_hold_secret

GUIDE = Guide()


@pytest.mark.parametrize(
    "line",
    [
        "auth secret",
        "AUTH user secret",
        "3 auth secret",
        "acl setuser u >secret",
        "hello 3 auth user secret",
        "config set requirepass secret",
        "config set maxmemory 1gb masterauth secret",
        "migrate host 6379 key 0 1000 AUTH secret",
        'auth "secret',
    ],
)
def test_lines_with_a_password_are_not_written(line: str, tmp_path: Path) -> None:
    assert may_hold_secret(GUIDE, line)
    history = SafeHistory(tmp_path / "history", GUIDE)
    history.append_string(line)
    assert history.get_strings() == [line]
    assert not (tmp_path / "history").exists()


@pytest.mark.parametrize(
    "line", ["get auth", "hello 3", "config set maxmemory 1gb", "nope", "", "  ", "3", "acl whoami"]
)
def test_other_lines_are(line: str) -> None:
    assert not may_hold_secret(GUIDE, line)


def test_the_file_is_its_owners_even_if_it_was_not(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.touch(0o644)
    path.chmod(0o644)
    history = SafeHistory(path, GUIDE)
    history.store_string("ping")
    history.store_string("set k \udcff")
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(history.load_history_strings()) == ["set k \udcff", "ping"]


def test_a_long_file_is_cut_down_to_its_latest_lines(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_text("".join(f"get {number}\n" for number in range(2001)))
    lines = list(SafeHistory(path, GUIDE).load_history_strings())
    assert (len(lines), lines[0], lines[-1]) == (1000, "get 2000", "get 1001")
    assert path.read_text().splitlines() == lines[::-1]


def test_a_place_where_nothing_can_be_written_is_no_error(tmp_path: Path) -> None:
    history = SafeHistory(tmp_path / "no" / "such" / "folder", GUIDE)
    history.store_string("ping")
    assert list(history.load_history_strings()) == []


def test_the_environment_names_another_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSCACHE_HISTORY", "/dev/null")
    assert history_path() == Path("/dev/null")
    monkeypatch.delenv("DSCACHE_HISTORY")
    assert history_path() == Path.home() / ".dscache_history"
