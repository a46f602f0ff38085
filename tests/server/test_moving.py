"""``dscache import`` and ``dscache export``: what they say, and what they leave behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dscache.config import Config
from dscache.rdb.file_writer import FileWriter
from fake_master import REPLICATION, FakeMaster, Replica
from serving import ServerProcess, StartServer, free_port, run_dscache

LIBRARY = b"#!lua name=l\nredis.register_function('f', function() return 'yes' end)"


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
    code, said, errors = run_dscache("import", "--dir", data, dump)
    assert (code, errors) == (0, "")
    assert said.startswith(f"2 keys and 1 libraries of functions in {data}, in ")
    assert said.endswith("; left out: 1 that were due\n")
    code, said, errors = run_dscache("export", "--dir", data, tmp_path / "again.rdb")
    assert (code, said) == (0, "")
    assert errors.startswith("2 keys and 1 libraries of functions in ")
    assert run_dscache("import", "--dir", tmp_path / "again", tmp_path / "again.rdb")[0] == 0
    code, said, _ = run_dscache("export", "--dir", tmp_path / "again", "--format", "json", "-")
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
    assert run_dscache("import", "--dir", data, dump)[0] == 0
    server = start_server(dir=str(data), cache_flush_delay=60, appendfsync="always")
    assert server.call("GET", "a") == b"1"
    assert server.call("FCALL", "f", 0) == b"yes"
    assert server.call("APPEND", "a", "0") == 2
    for words in (("export", "--dir", data, tmp_path / "x"), ("import", "--dir", data, dump)):
        code, said, errors = run_dscache(*words)
        assert (code, said) == (1, "")
        assert "is in use by another dscache server" in errors
    assert not (tmp_path / "x").exists()
    # What it has said last is only in the redo log.
    server.kill()
    code, said, _ = run_dscache("export", "--dir", data, "--format", "json", "-")
    assert {"db": 0, "key": "a", "type": "string", "value": "10"} in map(
        json.loads, said.splitlines()
    )


def test_a_damaged_file_leaves_the_directory_as_it_was(dump: Path, tmp_path: Path) -> None:
    dump.write_bytes(dump.read_bytes()[:-9])
    code, said, errors = run_dscache("import", "--dir", tmp_path / "data", dump)
    assert (code, said) == (1, "")
    assert errors.startswith(f"dscache: {dump}, offset ")
    assert [one.name for one in tmp_path.iterdir()] == ["dump.rdb"]


def test_a_directory_with_data_is_left_alone(dump: Path, tmp_path: Path) -> None:
    assert run_dscache("import", "--dir", tmp_path / "data", dump)[0] == 0
    code, _, errors = run_dscache("import", "--dir", tmp_path / "data", dump)
    assert code == 1
    assert "has data already (FORMAT); move it away, or name another --dir" in errors


def test_what_cannot_be_found_or_made_is_an_error_that_names_it(dump: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    assert run_dscache("import", "--dir", nowhere, tmp_path / "x") == (
        1,
        "",
        f"dscache: {tmp_path / 'x'}: No such file or directory\n",
    )
    code, _, errors = run_dscache("import", "--dir", nowhere, tmp_path)
    assert (code, errors) == (1, f"dscache: {tmp_path}: Is a directory\n")
    code, _, errors = run_dscache("export", "--dir", nowhere, "x")
    assert code == 1
    assert f"{nowhere} holds no data of dscache" in errors
    assert not nowhere.exists()
    assert run_dscache("import", "--dir", nowhere, dump)[0] == 0
    code, _, errors = run_dscache("export", "--dir", nowhere, tmp_path / "no" / "file")
    assert (code, errors) == (
        1,
        f"dscache: {tmp_path / 'no' / 'file'}: No such file or directory\n",
    )


def test_a_wrong_command_line_has_its_own_exit_code(dump: Path) -> None:
    assert run_dscache("import", "--maxmemory", "much", str(dump))[0] == 2
    assert run_dscache("export", "--format", "xml", "-")[0] == 2
    assert run_dscache("import")[0] == 2


def test_the_configuration_file_says_how_many_databases_there_are(tmp_path: Path) -> None:
    dump = tmp_path / "dump.rdb"
    with dump.open("wb") as file:
        writer = FileWriter(file.write, Config(), False)
        writer.database(20, 1, 0)
        writer.key(b"k", b"", 0)
        writer.end()
    code, _, errors = run_dscache("import", "--dir", tmp_path / "data", dump)
    assert code == 1
    assert "the file has a database 20, the configuration only 16" in errors
    config = tmp_path / "dscache.conf"
    config.write_text(f"databases 21\ndir {tmp_path / 'data'}\n")
    assert run_dscache("import", "--config", config, dump)[0] == 0
    # Everything comes out, whatever the configuration.
    code, said, _ = run_dscache("export", "--dir", tmp_path / "data", "--format", "json", "-")
    assert json.loads(said)["db"] == 20


def _url(server: ServerProcess, user: str = "") -> str:
    return f"redis://{user}127.0.0.1:{server.directives['port']}"


def test_a_server_is_imported_while_it_runs(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(requirepass="p@ss")
    with server.connect() as client:
        assert client.call("AUTH", "p@ss") == b"OK"
        assert client.call("FUNCTION", "LOAD", LIBRARY) == b"l"
        assert client.call("SET", b"\xff\0", b"\xfe", "PXAT", 33177117420000) == b"OK"
        assert client.call("HSET", "h", "f", "1", "g", "x" * 100_000) == 2
        assert client.call("HPEXPIREAT", "h", 33177117420000, "FIELDS", 1, "f") == [1]
        assert client.call("SELECT", 7) == b"OK"
        assert client.call("XADD", "x", "5-5", "f", "v") == b"5-5"
    code, said, errors = run_dscache(
        "import", "--dir", tmp_path / "data", _url(server, ":p%40ss@") + "/3"
    )
    assert (code, errors) == (0, "")
    assert said.startswith(f"3 keys and 1 libraries of functions in {tmp_path / 'data'}, in ")
    again = start_server(dir=str(tmp_path / "data"))
    assert again.call("PEXPIRETIME", b"\xff\0") == 33177117420000
    assert again.call("HPEXPIRETIME", "h", "FIELDS", 2, "f", "g") == [33177117420000, -1]
    assert again.call("FCALL", "f", 0) == b"yes"
    with again.connect() as client:
        assert client.call("SELECT", 7) == b"OK"
        assert client.call("XLEN", "x") == 1


def test_a_server_is_imported_by_tls(start_server: StartServer, tmp_path: Path) -> None:
    certificates = Path(__file__).with_name("certificates")
    port = free_port()
    server = start_server(
        tls_port=port,
        tls_cert_file=str(certificates / "server.crt"),
        tls_key_file=str(certificates / "server.key"),
        tls_ca_cert_file=str(certificates / "ca.crt"),
    )
    assert server.call("SET", "k", "v") == b"OK"
    data = tmp_path / "data"
    code, _, errors = run_dscache("import", "--dir", data, f"rediss://localhost:{port}")
    assert code == 1
    assert f"rediss://localhost:{port} cannot be reached: " in errors
    options = "&".join(
        f"{name}={certificates / file}"
        for name, file in (
            ("ssl_ca_certs", "ca.crt"),
            ("ssl_certfile", "client.crt"),
            ("ssl_keyfile", "client.key"),
        )
    )
    code, said, errors = run_dscache(
        "import", "--dir", data, f"rediss://localhost:{port}?{options}"
    )
    assert (code, errors) == (0, "")
    assert said.startswith("1 keys ")


def test_a_server_that_does_not_give_its_data_is_an_error_that_says_why(
    start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_server(requirepass="secret", user="poor on >p ~* +info +select")
    name = _url(server)
    for words, text in (
        ([name], f"{name} does not let us in: Authentication required. Give the user and "),
        ([_url(server, ":wrong@")], f"{name} does not let us in: invalid username-password pair"),
        ([_url(server, "poor:p@")], "needed are INFO, SELECT, SCAN, DUMP, PEXPIRETIME"),
        (["--follow", _url(server, ":secret@")], "has no replicas (REPLCONF): import without"),
        ([f"redis://127.0.0.1:{free_port()}"], "cannot be reached: "),
    ):
        code, said, errors = run_dscache("import", "--dir", tmp_path / "data", *words)
        assert (code, said) == (1, "")
        assert text in errors
        assert "Traceback" not in errors
        assert "secret" not in errors
        assert not (tmp_path / "data").exists()
    monkeypatch.setenv("REDISCLI_AUTH", "secret")
    assert run_dscache("import", "--dir", tmp_path / "data", name)[0] == 0


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["http://x"], "must specify one of the following schemes (redis://, rediss://, unix://)"),
        (["redis://x:99999"], "the URL of the server is wrong: "),
        (["redis://x?color=red"], "has an unknown option 'color'"),
        (["redis://x?ssl_ca_certs=x"], "the URL of the server is wrong: "),
        (["--follow", "dump.rdb"], "dump.rdb is a file, which nobody changes: --follow needs"),
    ],
)
def test_a_wrong_url_is_a_wrong_command_line(words: list[str], text: str, tmp_path: Path) -> None:
    code, said, errors = run_dscache("import", "--dir", tmp_path / "data", *words)
    assert (code, said) == (2, "")
    assert text in errors


def _cut_short(replica: Replica) -> None:
    replica.accept(b"?", b"-1", answer=b"+FULLRESYNC %b 0" % REPLICATION)
    replica.send(b"$1000\r\nREDIS0011")


def test_a_server_that_goes_away_leaves_nothing_behind(tmp_path: Path) -> None:
    with FakeMaster(_cut_short) as master:
        code, said, errors = run_dscache(
            "import", "--dir", tmp_path / "data", "--follow", master.url
        )
    assert (code, said) == (1, "")
    assert "is lost: the connection was closed, in the middle of its data set" in errors
    assert list(tmp_path.iterdir()) == []
