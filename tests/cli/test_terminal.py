"""``dscache cli``, ``dscache top`` and progress bars as people see them, in a terminal."""

from __future__ import annotations

from pathlib import Path

from serving import ServerProcess, StartServer, until
from terminal import Terminal, needs_tmux

pytestmark = needs_tmux


def address(server: ServerProcess) -> str:
    host, port = server.address
    return f"{host}:{port}"


def prompt_on(server: ServerProcess, directory: Path, *words: str) -> Terminal:
    return Terminal(
        directory,
        ["cli", "-p", str(server.address[1]), *words],
        DSCACHE_HISTORY=str(directory / "history"),
    )


def test_the_prompt_shows_replies_database_and_transaction(
    server: ServerProcess, tmp_path: Path
) -> None:
    at = address(server)
    with prompt_on(server, tmp_path) as terminal:
        terminal.shows(f"{at}>")
        terminal.type("rpush letters a \"b\\x00\" 'c d'\n")
        terminal.shows("(integer) 3")
        terminal.type("lrange letters 0 -1\n")
        terminal.shows('1) "a"\n2) "b\\x00"\n3) "c d"')
        terminal.type("select 3\n")
        terminal.shows(f"{at}[3]>")
        terminal.type("multi\n")
        terminal.shows(f"{at}[3](TX)>")
        terminal.type("incr n\n")
        terminal.shows("QUEUED")
        terminal.type("exec\n")
        terminal.shows("1) (integer) 1", f"(integer) 1\n{at}[3]>")
        terminal.type("quit\n")
        assert terminal.ends() == 0


def test_resp3_is_shown_with_its_types(server: ServerProcess, tmp_path: Path) -> None:
    server.call("HSET", "h", "field", "value")
    server.call("SADD", "s", "member")
    with prompt_on(server, tmp_path, "-3") as terminal:
        terminal.type("hgetall h\nsmembers s\n")
        terminal.shows('1# "field" => "value"', '1~ "member"')


def test_missing_arguments_are_shown_while_typing_and_not_kept(
    server: ServerProcess, tmp_path: Path
) -> None:
    with prompt_on(server, tmp_path) as terminal:
        terminal.shows(">")
        terminal.type("getrange k")
        terminal.shows("getrange k start end")
        terminal.type(" 0 1\n")
        assert "getrange k 0 1\n" in terminal.shows('""')


def test_tab_completes_commands_subcommands_and_options(
    server: ServerProcess, tmp_path: Path
) -> None:
    with prompt_on(server, tmp_path) as terminal:
        terminal.shows(">")
        terminal.type("pexpiret")
        terminal.press("Tab")
        terminal.shows("> pexpiretime key")
        terminal.press("C-u")
        terminal.type("CONFIG RESETS")
        terminal.press("Tab")
        terminal.shows("> CONFIG RESETSTAT")
        terminal.press("C-u")
        terminal.type("set k v keep")
        terminal.press("Tab")
        terminal.shows("> set k v keepttl")


def test_history_comes_back_in_the_next_session_but_no_password(
    server: ServerProcess, tmp_path: Path
) -> None:
    for _ in range(2):
        with prompt_on(server, tmp_path) as terminal:
            terminal.shows(">")
            terminal.type("echo hello\nauth somebody secret\n")
            terminal.shows("WRONGPASS")
            terminal.press("Up")
            terminal.shows("> auth somebody secret")
            terminal.press("C-u")
            terminal.press("C-d")
            assert terminal.ends() == 0
    path = tmp_path / "history"
    assert path.read_text() == "echo hello\n"
    assert path.stat().st_mode & 0o777 == 0o600
    with prompt_on(server, tmp_path) as terminal:
        terminal.shows(">")
        terminal.press("Up")
        terminal.shows("> echo hello")


def test_messages_are_shown_until_ctrl_c(server: ServerProcess, tmp_path: Path) -> None:
    with prompt_on(server, tmp_path) as terminal:
        terminal.shows(">")
        terminal.type("subscribe news\n")
        terminal.shows('1) "subscribe"')
        assert server.call("PUBLISH", "news", "rain") == 1
        terminal.shows('3) "rain"')
        terminal.press("C-c")
        terminal.type("echo again\n")
        terminal.shows('"again"')
        terminal.type("monitor\n")
        terminal.shows("OK")
        server.call("SET", "seen", "1")
        terminal.shows('"SET" "seen" "1"')
        terminal.press("C-c")
        terminal.type("blpop nothing 0\n")
        until(lambda: server.figure("blocked_clients") == 1, "BLPOP waits")
        terminal.press("C-c")
        terminal.type("echo free\n")
        terminal.shows('"free"')


def test_a_lost_connection_is_made_again(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    with prompt_on(server, tmp_path, "-n", "2") as terminal:
        terminal.shows("[2]>")
        terminal.type("set k 1\n")
        terminal.shows("OK")
        server.stop()
        terminal.type("get k\n")
        terminal.shows("cannot connect to", "not connected>")
        server.start()
        terminal.type("get k\n")
        terminal.shows('"1"', f"{address(server)}[2]>\n")


def test_top_shows_the_server_in_a_small_and_in_a_wide_terminal(
    server: ServerProcess, tmp_path: Path
) -> None:
    server.call("SET", "the-big-one", "x" * 100_000)
    server.call("SET", "a-small-one", "x")
    port = str(server.address[1])
    with Terminal(tmp_path, ["top", "-p", port, "--interval", "0.2"]) as terminal:
        seen = terminal.shows("% of 32.0 MiB", "the-big-one", "a-small-one", "ping", "hit ratio")
        lines = seen.splitlines()
        assert len(lines) == 24
        # The biggest stands above the smaller one.
        assert seen.index("the-big-one") < seen.index("a-small-one")
        for label in ("commands/s", "memory", "dirty", "disk", "log", "clients", "command"):
            assert any(line.startswith(label) for line in lines), label
        terminal.press("s")
        terminal.shows("calls/s↓")
        terminal.press("p")
        terminal.shows("paused")
        terminal.press("p")
        terminal.resize(160, 40)
        terminal.shows("q quit", "who waits", "µs each")
        assert max(map(len, terminal.screen().splitlines())) > 120
        terminal.press("q")
        assert terminal.ends() == 0


def test_top_says_who_waits_and_what_for(server: ServerProcess, tmp_path: Path) -> None:
    port = str(server.address[1])
    with server.connect() as waiting, Terminal(tmp_path, ["top", "-p", port]) as terminal:
        waiting.send(b"BLPOP nothing 0\r\n")
        terminal.shows("who waits", "blpop blocked", "1 blocked")


def test_top_goes_on_when_the_server_comes_back(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    port = str(server.address[1])
    with Terminal(tmp_path, ["top", "-p", port, "--interval", "0.2"]) as terminal:
        terminal.shows("q quit")
        server.stop()
        terminal.shows("cannot connect")
        server.start()
        terminal.shows("q quit")
        terminal.press("q")
        assert terminal.ends() == 0


def test_what_is_copied_has_a_bar_with_rate_and_time_left(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server()
    server.call("SET", "a", "1")
    server.stop()
    data, backup = str(server.data), str(tmp_path / "b")
    for words in (["backup", "--dir", data, backup], ["restore", "--dir", data + "2", backup]):
        with Terminal(tmp_path, words, columns=160) as terminal:
            seen = terminal.shows("100%", "B/s", "0:00:00", "1 keys in ")
            assert any(line.startswith(f"{backup} ") for line in seen.splitlines())
            assert terminal.ends() == 0
