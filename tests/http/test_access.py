"""Who may come in over HTTP, and as whom."""

from __future__ import annotations

from dataclasses import replace

import pytest

from driver import Driver
from dscache.http.access import Access, Caller, DeniedError
from serving import ServerProcess, StartServer, free_port
from visitor import Visitor, basic


def _cookie_of(visitor: Visitor, user: str, password: str) -> str:
    answer = visitor.post("/api/login", {"user": user, "password": password})
    assert answer.status == 200
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    return cookie.partition(";")[0]


def test_without_a_password_everybody_is_the_user_default(server: ServerProcess) -> None:
    visitor = Visitor(server)
    assert visitor.get("/api/session").json()["user"] == "default"
    assert visitor.call("ACL", "WHOAMI") == "default"


def test_with_a_password_nothing_is_told_before_it_is_given(start_server: StartServer) -> None:
    visitor = Visitor(start_server(http_port=free_port(), requirepass="sesame"))
    for path in ("/api/session", "/api/figures", "/api/reference", "/metrics"):
        answer = visitor.get(path)
        assert (answer.status, answer.json()) == (
            401,
            {"error": "NOAUTH Authentication required."},
        )
    assert visitor.call("GET", "a") == "-NOAUTH Authentication required."
    assert visitor.get("/metrics").headers["www-authenticate"].startswith("Basic ")
    assert "www-authenticate" not in visitor.get("/api/session").headers
    assert visitor.get("/healthz").status == visitor.get("/readyz").status == 200


def test_basic_authentication_names_a_user(start_server: StartServer) -> None:
    server = start_server(http_port=free_port())
    server.call("ACL", "SETUSER", "reader", "on", ">pass:word", "~a*", "+get", "+info")
    visitor = Visitor(server, Authorization=basic("reader", "pass:word"))
    assert visitor.get("/api/session").json()["user"] == "reader"
    assert visitor.call("GET", "a") is None
    assert visitor.call("GET", "b") == ("-NOPERM No permissions to access a key")
    assert visitor.call("SET", "a", "1") == (
        "-NOPERM User reader has no permissions to run the 'set' command"
    )
    assert visitor.get("/metrics").status == 200
    wrong = Visitor(server, Authorization=basic("reader", "wrong")).get("/metrics")
    assert wrong.status == 401
    assert wrong.json()["error"].startswith("WRONGPASS ")  # type: ignore[union-attr]
    for header in ("Bearer abc", "Basic ???"):
        assert Visitor(server, Authorization=header).get("/metrics").status == 401
    assert server.info()["acl_access_denied_auth"] == "1"


def test_figures_and_metrics_are_for_who_may_call_info(start_server: StartServer) -> None:
    server = start_server(http_port=free_port())
    server.call("ACL", "SETUSER", "writer", "on", ">secret", "~*", "+set")
    visitor = Visitor(server, Authorization=basic("writer", "secret"))
    for path in ("/metrics", "/api/figures"):
        assert visitor.get(path).status == 403
    assert visitor.call("SET", "a", "1") == "OK"


def test_a_login_lasts_until_it_is_ended(start_server: StartServer) -> None:
    server = start_server(http_port=free_port(), requirepass="sesame")
    visitor = Visitor(server)
    refused = visitor.post("/api/login", {"user": "default", "password": "wrong"})
    assert refused.status == 401
    visitor.headers["Cookie"] = _cookie_of(visitor, "default", "sesame")
    assert visitor.get("/api/session").json()["user"] == "default"
    assert visitor.call("PING") == "PONG"
    visitor.post("/api/logout", {})
    assert visitor.get("/api/session").status == 401


def test_a_login_ends_with_its_user_and_by_client_kill(start_server: StartServer) -> None:
    server = start_server(http_port=free_port())
    for name in ("one", "two"):
        assert server.call("ACL", "SETUSER", name, "on", f">{name}", "allkeys", "+@all") == b"OK"
    assert server.call("CONFIG", "SET", "requirepass", "secret") == b"OK"
    one = Visitor(server)
    one.headers["Cookie"] = _cookie_of(one, "one", "one")
    two = Visitor(server)
    two.headers["Cookie"] = _cookie_of(two, "two", "two")
    assert two.call("CLIENT", "KILL", "USER", "one") == 1
    assert one.get("/api/session").status == 401
    one.headers["Cookie"] = _cookie_of(one, "one", "one")
    assert two.call("ACL", "DELUSER", "one") == 1
    assert one.get("/api/session").status == 401
    assert two.get("/api/session").status == 200


def test_a_page_of_another_site_gets_nowhere(server: ServerProcess) -> None:
    visitor = Visitor(server)
    port = server.directives["http_port"]
    for name in ("127.0.0.1", "localhost", "[::1]", "LOCALHOST"):
        assert visitor.get("/api/session", Host=f"{name}:{port}").status == 200
        assert visitor.get("/api/session", Host=name).status == 200
    rebound = visitor.get("/api/session", Host=f"evil.example:{port}")
    assert rebound.status == 403
    # Any password is right for him, so giving one proves nothing.
    named = Visitor(server, Authorization=basic("default", "any"), Host="evil.example")
    assert named.get("/metrics").status == 403
    assert named.post("/api/login", {"user": "default", "password": "x"}).status == 403
    server.call("ACL", "SETUSER", "prometheus", "on", ">secret", "+info")
    named = Visitor(server, Authorization=basic("prometheus", "secret"), Host="dscache.example")
    assert named.get("/metrics").status == 200
    server.call("ACL", "DELUSER", "prometheus")
    simple = visitor.post("/api/command", {"args": ["FLUSHALL"]}, X_Dscache="")
    assert simple.status == 200
    visitor.headers.clear()
    forged = visitor._request("POST", "/api/command", b'{"args": ["FLUSHALL"]}', {})
    assert forged.status == 403


def test_every_answer_forbids_what_a_page_might_be_made_to_do(server: ServerProcess) -> None:
    for path in ("/", "/api/session", "/metrics", "/nowhere"):
        headers = Visitor(server).get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none';")
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


def test_in_protected_mode_a_server_without_password_serves_its_own_machine_only() -> None:
    driver = Driver()
    access = Access(driver.engine)
    caller = Caller("192.0.2.1:5000", "localhost", "", "")
    with pytest.raises(DeniedError, match="protected mode") as refused:
        access.session(caller)
    assert refused.value.status == 403
    with pytest.raises(DeniedError, match="protected mode"):
        access.log_in(caller, b"default", b"any")
    driver.run("CONFIG", "SET", "protected-mode", "no")
    assert access.session(caller).user is driver.engine.acl.default
    driver.run("CONFIG", "SET", "protected-mode", "yes", "requirepass", "secret")
    assert access.log_in(caller, b"default", b"secret")
    assert len(driver.engine.sessions) == 3
    driver.close()


def test_logins_are_bounded_and_end_when_they_are_not_used() -> None:
    driver = Driver(requirepass="secret")
    access = Access(driver.engine)
    caller = Caller("127.0.0.1:5000", "localhost", "", "")
    tokens = [access.log_in(caller, b"default", b"secret") for _ in range(65)]

    def is_in(token: str) -> bool:
        try:
            driver.engine.end_session(access.session(replace(caller, cookie=token)))
        except DeniedError:
            return False
        return True

    assert [is_in(token) for token in tokens[:3]] == [False, True, True]
    driver.advance(1700)
    assert is_in(tokens[1])
    driver.advance(200)
    assert [is_in(token) for token in tokens[:3]] == [False, True, False]
    access.close()
    assert not is_in(tokens[1])
    driver.close()


def test_a_login_cannot_be_put_off_by_a_pause() -> None:
    """It ran as a command once: CLIENT PAUSE suspended it, and what was no error was taken for consent."""
    driver = Driver(requirepass="secret")
    driver.run("AUTH", "secret")
    driver.run("CLIENT", "PAUSE", 60_000)
    caller = Caller("127.0.0.1:5000", "localhost", basic("default", "wrong"), "")
    with pytest.raises(DeniedError, match="WRONGPASS"):
        Access(driver.engine).session(caller)
    driver.close()
