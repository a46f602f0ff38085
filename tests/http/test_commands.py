"""Commands over HTTP: run like any client's."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import threading

from driver import Driver
from dscache.errors import DscacheError
from dscache.http.replies import MOST_REPLY_BYTES, Answer, ReplyTooLargeError, arguments
from dscache.http.running import Runner
from dscache.wire.encoder import encoded_message
from dscache.wire.reply import (
    NO_REPLY,
    NULL_ARRAY,
    OK,
    Attributed,
    BigNumber,
    DoubleText,
    ErrorReply,
    Grouped,
    MapReply,
    Pairs,
    Push,
    SetReply,
    Several,
    Verbatim,
)
from serving import ServerProcess, StartServer, free_port, until
from visitor import Visitor


def test_a_command_answers_its_reply_or_its_error(server: ServerProcess) -> None:
    visitor = Visitor(server)
    assert visitor.call("SET", "a", "ä") == "OK"
    assert visitor.call("GET", "a") == "ä"
    assert visitor.call("LPUSH", "a", 1) == (
        "-WRONGTYPE Operation against a key holding the wrong kind of value"
    )
    assert visitor.call("NOSUCH") == "-ERR unknown command 'NOSUCH', with args beginning with: "
    assert visitor.call("GET", "a", db=3) is None


def test_strings_may_be_any_bytes(server: ServerProcess) -> None:
    visitor = Visitor(server)
    binary = {"base64": base64.b64encode(b"\xff\x00").decode()}
    assert visitor.call("SET", binary, binary) == "OK"
    assert visitor.call("GET", binary) == binary
    assert server.call("GET", b"\xff\x00") == b"\xff\x00"


def test_several_commands_run_in_order_in_one_session(server: ServerProcess) -> None:
    answer = Visitor(server).post(
        "/api/command",
        {"batch": [["MULTI"], ["INCR", "n"], ["LPUSH", "n", 1], ["EXEC"], ["DBSIZE"]]},
    )
    assert answer.json()["replies"] == [
        {"reply": "OK"},
        {"reply": "QUEUED"},
        {"reply": "QUEUED"},
        {
            "reply": [
                1,
                {"error": "WRONGTYPE Operation against a key holding the wrong kind of value"},
            ]
        },
        {"reply": 1},
    ]


def test_a_key_on_disk_is_waited_for(server: ServerProcess) -> None:
    server.call("SET", "a", "x" * 100)
    server.empty_memory()
    assert Visitor(server).call("STRLEN", "a") == 100
    assert server.figure("cache_blocking_loads") == 0


def test_what_needs_a_connection_is_refused(server: ServerProcess) -> None:
    visitor = Visitor(server)
    for words in (("BLPOP", "a", 0), ("SUBSCRIBE", "a"), ("MONITOR",), ("WAIT", 0, 0)):
        assert visitor.call(*words) == (
            f"-ERR '{words[0].lower()}' needs a connection of its own: not over HTTP"
        )
    assert visitor.call("PUBLISH", "a", "b") == 0


def test_a_request_that_is_no_command_is_refused(server: ServerProcess) -> None:
    visitor = Visitor(server)
    bodies: list[object] = [
        {},
        [],
        {"args": []},
        {"args": "GET a"},
        {"args": [None]},
        {"args": [{"base64": "?"}]},
        {"args": ["PING"], "db": 16},
        {"args": ["PING"], "db": "0"},
        {"batch": []},
        {"batch": [["PING"]] * 1001},
        b"{",
        b"\xff",
    ]
    for body in bodies:
        answer = visitor.post("/api/command", body)
        assert answer.status == 400, body
        assert "error" in answer.json()
    assert visitor.post("/api/command", {"args": ["SET", "a", "x" * 2**20]}).status == 413
    assert visitor.get("/api/command").status == 405
    assert visitor.get("/nowhere").status == 404


def test_an_answer_has_a_bound(server: ServerProcess) -> None:
    server.call("SETRANGE", "a", MOST_REPLY_BYTES, "x")
    visitor = Visitor(server)
    answer = visitor.post("/api/command", {"args": ["GET", "a"]})
    assert answer.status == 413
    assert "ask for less" in answer.text
    assert visitor.call("GETRANGE", "a", -1, -1) == "x"


def test_with_appendfsync_always_a_change_is_on_disk_when_it_is_answered(
    start_server: StartServer,
) -> None:
    server = start_server(http_port=free_port(), appendfsync="always")
    assert Visitor(server).call("SET", "a", "1") == "OK"
    server.kill()
    server.start()
    assert server.call("GET", "a") == b"1"


def test_what_a_client_that_goes_away_waited_for_does_not_run(start_server: StartServer) -> None:
    server = start_server(http_port=free_port())
    assert server.call("CLIENT", "PAUSE", 60_000, "WRITE") == b"OK"
    body = b'{"args": ["SET", "a", "1"]}'
    address = ("127.0.0.1", int(server.directives["http_port"]))
    with socket.create_connection(address) as browser:
        browser.sendall(
            b"POST /api/command HTTP/1.1\r\nHost: localhost\r\nX-Dscache: 1\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        until(lambda: server.figure("blocked_clients") == 1, "it waits")
    until(lambda: server.figure("blocked_clients") == 0, "it is given up")
    assert server.call("CLIENT", "UNPAUSE") == b"OK"
    assert server.call("EXISTS", "a") == 0


def test_client_kill_ends_a_request_that_waits(start_server: StartServer) -> None:
    server = start_server(http_port=free_port())
    assert server.call("CLIENT", "PAUSE", 60_000, "WRITE") == b"OK"
    visitor = Visitor(server)
    answers: list[object] = []
    asking = threading.Thread(target=lambda: answers.append(visitor.call("SET", "a", "1")))
    asking.start()
    until(lambda: server.figure("blocked_clients") == 1, "it waits")
    client_list = server.call("CLIENT", "LIST")
    assert isinstance(client_list, bytes)
    number = next(
        line.split()[0].partition(b"=")[2]
        for line in client_list.splitlines()
        if b"name=http" in line
    )
    assert server.call("CLIENT", "KILL", "ID", number) == 1
    asking.join()
    assert answers == ["-ERR the client was ended"]
    assert server.figure("blocked_clients") == 0
    assert server.call("CLIENT", "UNPAUSE") == b"OK"
    assert server.call("EXISTS", "a") == 0


def test_a_request_that_waits_for_too_long_is_given_up() -> None:
    driver = Driver()
    session = driver.new_session()

    answer = _answer()

    async def run() -> None:
        runner = Runner(driver.engine, patience_seconds=0.01)
        requests = [[b"CLIENT", b"PAUSE", b"60000"], [b"SET", b"a", b"1"], [b"SET", b"b", b"1"]]
        await runner.run_all(session, requests, answer.add)

    asyncio.run(run())
    assert json.loads(answer.array()) == [
        {"reply": "OK"},
        {"error": "ERR the request waited for too long and was given up"},
        {"error": "ERR the request waited for too long and was given up"},
    ]
    assert session.number not in driver.engine.sessions
    assert driver.engine.room.paused_clients == 0
    driver.run("CLIENT", "UNPAUSE")
    assert driver.run("EXISTS", "a", "b") == 0
    driver.close()


def test_it_is_told_what_a_user_may_call(start_server: StartServer) -> None:
    server = start_server(http_port=free_port())
    server.call("ACL", "SETUSER", "default", "resetkeys", "~a*", "-@all", "+get", "+info")
    answer = Visitor(server).post(
        "/api/allowed", {"batch": [["GET", "a"], ["GET", "b"], ["DEL", "a"], ["NOSUCH"]]}
    )
    assert answer.json() == {"allowed": [True, False, False, False]}


def test_every_kind_of_reply_has_a_form_in_json() -> None:
    replies: list[tuple[object, object]] = [
        (b"a", "a"),
        (b"\xff", {"base64": "/w=="}),
        ("a", "a"),
        (1, 1),
        (2**53 + 1, str(2**53 + 1)),
        (True, 1),
        (1.5, "1.5"),
        (None, None),
        (NULL_ARRAY, None),
        (NO_REPLY, None),
        (OK, "OK"),
        (Verbatim(b"text"), "text"),
        (DoubleText(b"0.10"), "0.10"),
        (BigNumber(b"123"), "123"),
        ([b"a", [1, None]], ["a", [1, None]]),
        ((b"a",), ["a"]),
        ({b"a"}, ["a"]),
        (SetReply([b"b", b"a"]), ["b", "a"]),
        ({b"a": 1}, ["a", 1]),
        (Pairs([(b"a", 1)]), ["a", 1]),
        (MapReply([(b"a", 1)]), ["a", 1]),
        (Grouped([(b"a", [1])]), [["a", [1]]]),
        (Push([b"message"]), ["message"]),
        (encoded_message([b"message"]), ["message"]),
        (Attributed([(b"a", b"b")], b"c"), "c"),
        (Several([Push([b"a"]), Push([b"b"])]), [["a"], ["b"]]),
        ([ErrorReply(b"ERR no")], [{"error": "ERR no"}]),
    ]
    for reply, shown in replies:
        assert json.loads(_answer(reply).array()) == [{"reply": shown}]
    assert json.loads(_answer(ErrorReply(b"ERR no"), 1).array()) == [
        {"error": "ERR no"},
        {"reply": 1},
    ]


def test_replies_that_are_too_much_together_are_not_held_while_the_rest_run() -> None:
    half = b"x" * (MOST_REPLY_BYTES // 2)
    assert _answer(half).refusal is None
    answer = _answer(half, half, b"x")
    assert isinstance(answer.refusal, ReplyTooLargeError)
    assert answer.array() == b"[]"
    # What escapes make of it counts, too.
    assert isinstance(_answer(b"\x01" * (MOST_REPLY_BYTES // 4)).refusal, ReplyTooLargeError)


def test_an_answer_ends_when_requests_may_hold_no_more() -> None:
    held: list[int] = []

    def take(count: int) -> None:
        if len(held) == 2:
            raise DscacheError("enough")
        held.append(count)

    answer = Answer(take)
    for reply in (1, b"abc", 2):
        answer.add(reply)
    assert (str(answer.refusal), answer.array()) == ("enough", b"[]")
    assert held == [len('{"reply": 1}'), len('{"reply": "abc"}')]


def _answer(*replies: object) -> Answer:
    answer = Answer(lambda count: None)
    for reply in replies:
        answer.add(reply)
    return answer


def test_words_are_strings_numbers_or_base64() -> None:
    assert arguments(["SET", 1, 1.5, {"base64": "/w=="}]) == [b"SET", b"1", b"1.5", b"\xff"]
