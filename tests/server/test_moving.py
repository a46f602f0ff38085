"""``dscache import`` and ``dscache export``: what they say, and what they leave behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dscache.config import Config
from dscache.rdb.file_writer import FileWriter
from serving import DEADLINE_SECONDS, StartServer

LIBRARY = b"#!lua name=l\nredis.register_function('f', function() return 'yes' end)"


def _dscache(*words: str | Path) -> tuple[int, str, str]:
    """Exit code, output and error output of ``dscache words``."""
    done = subprocess.run(
        [sys.executable, "-m", "dscache", *map(str, words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    path = tmp_path / "dump.rdb"
    with path.open("wb") as file:
        writer = FileWriter(file.write, Config(), False)
        writer.library(LIBRARY)
        writer.database(0, 2, 1)
        writer.key(b"a", b"1", 0)
        writer.key(b"b", b"2", 33177117420000)
        writer.key(b"due", b"", 1)
        writer.end()
    return path


def test_a_file_becomes_a_data_directory_and_a_file_again(dump: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    code, said, errors = _dscache("import", "--dir", data, dump)
    assert (code, errors) == (0, "")
    assert said.startswith(f"2 keys and 1 libraries of functions in {data}, in ")
    assert said.endswith("; left out: 1 that were due\n")
    code, said, errors = _dscache("export", "--dir", data, tmp_path / "again.rdb")
    assert (code, said) == (0, "")
    assert errors.startswith("2 keys and 1 libraries of functions in ")
    assert _dscache("import", "--dir", tmp_path / "again", tmp_path / "again.rdb")[0] == 0
    code, said, _ = _dscache("export", "--dir", tmp_path / "again", "--format", "json", "-")
    assert code == 0
    assert {json.loads(line).get("key") for line in said.splitlines()} == {None, "a", "b"}
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "again",
        "again.rdb",
        "data",
        "dump.rdb",
    ]


def test_a_server_has_what_was_imported_and_export_what_it_had(
    start_server: StartServer, dump: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    assert _dscache("import", "--dir", data, dump)[0] == 0
    server = start_server(dir=str(data), cache_flush_delay=60, appendfsync="always")
    assert server.call("GET", "a") == b"1"
    assert server.call("FCALL", "f", 0) == b"yes"
    assert server.call("APPEND", "a", "0") == 2
    for words in (("export", "--dir", data, tmp_path / "x"), ("import", "--dir", data, dump)):
        code, said, errors = _dscache(*words)
        assert (code, said) == (1, "")
        assert "is in use by another dscache server" in errors
    assert not (tmp_path / "x").exists()
    # What it has said last is only in the redo log.
    server.kill()
    code, said, _ = _dscache("export", "--dir", data, "--format", "json", "-")
    assert {"db": 0, "key": "a", "type": "string", "value": "10"} in map(
        json.loads, said.splitlines()
    )


def test_a_damaged_file_leaves_the_directory_as_it_was(dump: Path, tmp_path: Path) -> None:
    dump.write_bytes(dump.read_bytes()[:-9])
    code, said, errors = _dscache("import", "--dir", tmp_path / "data", dump)
    assert (code, said) == (1, "")
    assert errors.startswith(f"dscache: {dump}, offset ")
    assert [one.name for one in tmp_path.iterdir()] == ["dump.rdb"]


def test_a_directory_with_data_is_left_alone(dump: Path, tmp_path: Path) -> None:
    assert _dscache("import", "--dir", tmp_path / "data", dump)[0] == 0
    code, _, errors = _dscache("import", "--dir", tmp_path / "data", dump)
    assert code == 1
    assert "has data already (FORMAT); move it away, or name another --dir" in errors


def test_what_cannot_be_found_or_made_is_an_error_that_names_it(dump: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    assert _dscache("import", "--dir", nowhere, tmp_path / "x") == (
        1,
        "",
        f"dscache: {tmp_path / 'x'}: No such file or directory\n",
    )
    code, _, errors = _dscache("import", "--dir", nowhere, tmp_path)
    assert (code, errors) == (1, f"dscache: {tmp_path}: Is a directory\n")
    code, _, errors = _dscache("export", "--dir", nowhere, "x")
    assert code == 1
    assert f"{nowhere} holds no data of dscache" in errors
    assert not nowhere.exists()
    assert _dscache("import", "--dir", nowhere, dump)[0] == 0
    code, _, errors = _dscache("export", "--dir", nowhere, tmp_path / "no" / "file")
    assert (code, errors) == (
        1,
        f"dscache: {tmp_path / 'no' / 'file'}: No such file or directory\n",
    )


def test_a_wrong_command_line_has_its_own_exit_code(dump: Path) -> None:
    assert _dscache("import", "--maxmemory", "much", str(dump))[0] == 2
    assert _dscache("export", "--format", "xml", "-")[0] == 2
    assert _dscache("import")[0] == 2


def test_the_configuration_file_says_how_many_databases_there_are(tmp_path: Path) -> None:
    dump = tmp_path / "dump.rdb"
    with dump.open("wb") as file:
        writer = FileWriter(file.write, Config(), False)
        writer.database(20, 1, 0)
        writer.key(b"k", b"", 0)
        writer.end()
    code, _, errors = _dscache("import", "--dir", tmp_path / "data", dump)
    assert code == 1
    assert "the file has a database 20, the configuration only 16" in errors
    config = tmp_path / "dscache.conf"
    config.write_text(f"databases 21\ndir {tmp_path / 'data'}\n")
    assert _dscache("import", "--config", config, dump)[0] == 0
    # Everything comes out, whatever the configuration.
    code, said, _ = _dscache("export", "--dir", tmp_path / "data", "--format", "json", "-")
    assert json.loads(said)["db"] == 20
