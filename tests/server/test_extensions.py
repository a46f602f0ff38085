"""``--load``: the example runs, and files that cannot be loaded are named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from serving import StartServer

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def test_the_example_limits_rates_and_outlives_restarts(start_server: StartServer) -> None:
    server = start_server(load=str(EXAMPLES / "rate_limit.py"))
    assert server.connect().call("RATELIMIT", "user", "2", "1000") == [1, 1]
    server.stop()
    server.start()
    client = server.connect()
    assert client.call("RATELIMIT", "user", "2", "1000") == [1, 0]
    reply = client.call("RATELIMIT", "user", "2", "1000")
    assert isinstance(reply, list)
    refused, wait_ms = reply
    assert refused == 0
    assert isinstance(wait_ms, int)
    assert 0 < wait_ms <= 1_000_000
    assert client.call("RATELIMIT", "other", "2", "1000") == [1, 1]
    assert client.call("FCALL", "release", "2", "user", "nobody") == 1
    assert client.call("RATELIMIT", "user", "many", "10") == (
        b"-ERR limit and seconds must be numbers"
    )
    assert client.call("SET", "text", "x") == b"OK"
    assert client.call("RATELIMIT", "text", "1", "10") == (
        b"-WRONGTYPE Operation against a key holding the wrong kind of value"
    )


def test_a_file_finds_what_stands_beside_it_and_several_can_be_loaded(
    start_server: StartServer, tmp_path: Path
) -> None:
    (tmp_path / "helping.py").write_text("WORD = 'helped'\n")
    begin = "from dscache.extension import Extension\n"
    (tmp_path / "one.py").write_text(
        begin + "import helping\ne = Extension('one')\n"
        "@e.command('ONE', writes=False)\ndef one(db, keys, args): return helping.WORD\n"
    )
    (tmp_path / "two.py").write_text(
        begin + "e = Extension('two')\n"
        "@e.command('TWO', writes=False)\ndef two(db, keys, args): return {'a': {1.5}}\n"
    )
    server = start_server(load=f"{tmp_path / 'one.py'} {tmp_path / 'two.py'}")
    client = server.connect()
    assert client.call("ONE") == b"helped"
    assert client.call("TWO") == [b"a", [b"1.5"]]
    assert client.call("CONFIG", "GET", "load") == [
        b"load",
        f"{tmp_path / 'one.py'} {tmp_path / 'two.py'}".encode(),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot read {path}: No such file or directory"),
        ("x = 1\n", "{path} has no dscache.extension.Extension at its top level"),
        ("x = 1\nx +\n", "{path}:2: SyntaxError: "),
        ("\n\nimport nothing_like_it\n", "{path}:3: ModuleNotFoundError: "),
        ("raise SystemExit('bye')", "{path}:1: SystemExit: bye"),
        (
            "from dscache.extension import Extension\ne = Extension('x y')\n",
            "{path}:2: ValueError: the name of an extension has letters",
        ),
        (
            (
                "from dscache.extension import Extension\ne = Extension('e')\n"
                "@e.command('GET key', writes=True)\ndef get(db, keys, args): pass\n"
            ),
            "e: there is a command GET already",
        ),
    ],
)
def test_a_file_that_cannot_be_loaded_stops_the_start_and_is_named(
    text: str | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text)
    ended = subprocess.run(
        [sys.executable, "-m", "dscache", "serve", "--dir", tmp_path / "data", "--load", path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert f"dscache: {message.format(path=path)}" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "data").exists()
