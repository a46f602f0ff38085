"""The command line: what it prints, what it accepts, and how it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dscache
from dscache.config import Config
from dscache.config.directives import ALL_DIRECTIVES
from raw_client import RawClient
from serving import DEADLINE_SECONDS, StartServer, free_port, until


def _dscache(*words: str) -> tuple[int, str, str]:
    """Exit code, output and error output of ``dscache words``."""
    done = subprocess.run(
        [sys.executable, "-m", "dscache", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_help_names_the_subcommands() -> None:
    code, said, errors = _dscache("--help")
    assert (code, errors) == (0, "")
    for subcommand in ("serve", "config", "import", "export"):
        assert f"\n  {subcommand} " in said
    assert _dscache("-h") == (code, said, errors)


def test_version() -> None:
    code, said, errors = _dscache("--version")
    assert (code, errors) == (0, "")
    assert dscache.__version__ in said


def test_help_of_serve_shows_how_directives_are_given() -> None:
    code, said, errors = _dscache("serve", "--help")
    assert (code, errors) == (0, "")
    assert "dscache serve --port 7000 --dir ./data --maxmemory 64mb" in said
    assert "Exit codes:" in said


def test_an_unknown_subcommand_is_refused() -> None:
    code, said, errors = _dscache("sreve")
    assert (code, said) == (2, "")
    assert "No such command 'sreve'" in errors


def test_config_prints_a_file_that_says_what_the_defaults_are(tmp_path: Path) -> None:
    code, said, errors = _dscache("config")
    assert (code, errors) == (0, "")
    path = tmp_path / "dscache.conf"
    # As printed, and with every directive switched on, it means the defaults.
    switched_on = "\n".join(
        line.removeprefix("# ") if _is_setting(line) else line for line in said.splitlines()
    )
    for text in (said, switched_on):
        path.write_text(text)
        read = Config.from_arguments(str(path), [])
        fresh = Config()
        for directive in ALL_DIRECTIVES:
            assert read.value_of(directive) == fresh.value_of(directive)


def _is_setting(line: str) -> bool:
    """Whether ``line`` is a directive that is commented out."""
    words = line.removeprefix("# ").split(" ")
    return line.startswith("# ") and words[0] in {one.name for one in ALL_DIRECTIVES}


def test_every_directive_is_in_the_printed_file() -> None:
    _, said, _ = _dscache("config")
    lines = [line.removeprefix("# ").split(" ")[0] for line in said.splitlines()]
    assert {directive.name for directive in ALL_DIRECTIVES} <= set(lines)


def test_the_command_line_comes_after_the_file(tmp_path: Path) -> None:
    path = tmp_path / "dscache.conf"
    port = free_port()
    path.write_text(f"port {port}\nmaxmemory 16mb\nhz 20\ndir {tmp_path}/data\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "dscache", "serve", str(path), "--hz", "50", "--timeout", "7"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        assert process.stdout is not None
        assert b" ready on 127.0.0.1:%d" % port in process.stdout.readline()
        with RawClient(("127.0.0.1", port)) as client:
            assert client.call("CONFIG", "GET", "hz") == [b"hz", b"50"]
            assert client.call("CONFIG", "GET", "timeout") == [b"timeout", b"7"]
            assert client.call("CONFIG", "GET", "maxmemory") == [b"maxmemory", b"16777216"]
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 0
    assert said.endswith(b"bye\n")


def test_the_log_goes_to_a_file_if_one_is_named(start_server: StartServer, tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    server = start_server()
    server.stop()
    server.directives["logfile"] = str(path)
    server.spawn()
    until(lambda: path.exists() and " ready on " in path.read_text(), "it is ready")
    server.stop()
    assert path.read_text().endswith("bye\n")
    assert server.log() == ""
