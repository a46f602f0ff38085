"""The site: which path gives what, and the life of the HTTP port.

==================== ====== =========================================================================
path                 method what
==================== ====== =========================================================================
``/``                GET    the console: a page; its style sheet and scripts are beside it
``/api/login``       POST   ``{"user", "password"}``: a cookie; ``/api/logout`` ends it
``/api/session``     GET    who is calling
``/api/command``     POST   ``{"args": [...], "db": 0}``, or several in ``"batch"``: replies
``/api/allowed``     POST   ``{"batch": [...]}``: for each command, whether the user might call it
``/api/figures``     GET    INFO's numbers now, and those named in ``history`` over time
``/api/reference``   GET    what directives and figures mean
``/metrics``         GET    for Prometheus; like the figures, for who may call INFO
``/healthz``         GET    200 as long as the server answers
``/readyz``          GET    200, or 503 with the reason
==================== ====== =========================================================================

Everything runs in the event loop of the server. A POST must bear the header ``X-Dscache``: pages of other
sites cannot send that (it would take a CORS preflight, which nobody answers here).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web

from dscache.config import Config
from dscache.engine.figures.figure import Figure
from dscache.engine.figures.table import SECTIONS
from dscache.engine.version import DSCACHE_VERSION
from dscache.errors import ConfigError
from dscache.http.access import Access, Caller, DeniedError
from dscache.http.health import why_not_ready
from dscache.http.history import INTERVAL_SECONDS, History
from dscache.http.holdings import HeldTooMuchError, Holdings, Share
from dscache.http.metrics import Exposition
from dscache.http.replies import Answer, BadArgumentError, Json, ReplyTooLargeError, arguments
from dscache.http.running import Runner

if TYPE_CHECKING:
    from dscache.engine.engine import Engine
    from dscache.engine.session import Session

log: Final = logging.getLogger("dscache")

# The largest request, and the most commands in it.
_MOST_BODY_BYTES: Final = 1024 * 1024
_MOST_COMMANDS: Final = 1000

# What a word of a command takes beside its bytes, which are those of the body.
_WORD_BYTES: Final = 64

# How long a body may take to arrive, and an answer to be taken by the other end. Meanwhile they are held.
_RECEIVING_SECONDS: Final = 30.0
_SENDING_SECONDS: Final = 120.0

# ``dscache.server.openfiles`` reserves as many files.
_MOST_CONNECTIONS: Final = 64
_KEEP_ALIVE_SECONDS: Final = 30.0

# At the end of the server, how long requests may still take.
_GRACE_SECONDS: Final = 0.5

# As for bind.
_ALL: Final = {"*": "0.0.0.0", "::*": "::"}

_CONSOLE: Final = Path(__file__).parent / "console"
_CONTENT_TYPES: Final = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_PAGES: Final = {
    "/" if path.name == "index.html" else f"/{path.name}": path
    for path in _CONSOLE.iterdir()
    if path.suffix in _CONTENT_TYPES
}

_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:;"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "dscache",
}

_SHARE: Final = web.RequestKey("share", Share)

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site:
    """See the module's docstring. ``open``, then ``close``."""

    def __init__(self, engine: Engine) -> None:
        self._engine: Final = engine
        self._access: Final = Access(engine)
        self._runner: Final = Runner(engine)
        self._history: Final = History(engine)
        #: What requests hold; part of clients' memory.
        self.holdings: Final = Holdings(engine)
        self._cookie: Final = f"dscache-{engine.config.http_port}"
        self._servers: Final[list[asyncio.Server]] = []
        self._sampling: asyncio.Task[None] | None = None
        app = web.Application(middlewares=[self._guard], client_max_size=_MOST_BODY_BYTES)
        for path in _PAGES:
            app.router.add_get(path, self._page)
        app.router.add_post("/api/login", self._log_in)
        app.router.add_post("/api/logout", self._log_out)
        app.router.add_get("/api/session", self._show_session)
        app.router.add_post("/api/command", self._command)
        app.router.add_post("/api/allowed", self._allowed)
        app.router.add_get("/api/figures", self._figures)
        app.router.add_get("/api/reference", self._reference)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        self._app: Final = web.AppRunner(
            app,
            access_log=None,
            logger=log,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            handler_cancellation=True,
            shutdown_timeout=_GRACE_SECONDS,
        )

    # Life

    async def open(self) -> None:
        """Start to listen on http-bind and http-port. Raises ConfigError that names the address."""
        config = self._engine.config
        await self._app.setup()
        loop = asyncio.get_running_loop()
        for word in config.http_bind:
            address = _ALL.get(word.removeprefix("-"), word.removeprefix("-"))
            try:
                self._servers.append(
                    await loop.create_server(self._connection, address, config.http_port)
                )
            except OSError as error:
                if word.startswith("-"):
                    continue
                await self.close()
                reason = error.strerror or str(error)
                raise ConfigError(
                    f"cannot listen on {address}:{config.http_port} (http-port): {reason}"
                ) from error
        if not self._servers:
            await self.close()
            raise ConfigError("none of the addresses in http-bind can be listened on")
        self._sampling = asyncio.create_task(self._sample())

    def _connection(self) -> asyncio.BaseProtocol:
        server = self._app.server
        assert server is not None, "set up before it listens"
        if len(server.connections) >= _MOST_CONNECTIONS:
            return _TurnedAway()
        return server()

    async def _sample(self) -> None:
        while True:
            self._history.sample()
            await asyncio.sleep(INTERVAL_SECONDS)

    async def close(self) -> None:
        """Listen no more, and end what is under way."""
        if self._sampling is not None:
            self._sampling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sampling
        for server in self._servers:
            server.close()
        await self._app.cleanup()
        self._access.close()

    def addresses(self) -> list[str]:
        """What is listened on, for the log."""
        found = []
        for server in self._servers:
            for one in server.sockets:
                host, port = one.getsockname()[:2]
                shown = f"[{host}]" if one.family == socket.AF_INET6 else host
                found.append(f"http://{shown}:{port}")
        return found

    # What all requests pass

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        share = request[_SHARE] = Share(self.holdings)
        try:
            response = await self._answer(request, handler)
            for name, value in _HEADERS.items():
                response.headers[name] = value
            try:
                async with asyncio.timeout(_SENDING_SECONDS):
                    await response.prepare(request)
                    await response.write_eof()
            except (TimeoutError, ConnectionError):
                # The other end is gone, or as good as gone. aiohttp finds that out for itself.
                if request.transport is not None:
                    request.transport.abort()
            return response
        finally:
            share.give_back()

    async def _answer(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            if request.method == "POST" and "X-Dscache" not in request.headers:
                raise DeniedError(403, "DENIED the header X-Dscache is missing")
            return await handler(request)
        except DeniedError as denied:
            response = _error(denied.status, str(denied))
            if denied.status == 401 and not request.path.startswith("/api/"):
                response.headers["WWW-Authenticate"] = 'Basic realm="dscache"'
            return response
        except HeldTooMuchError as error:
            return _error(503, f"ERR {error}")
        except web.HTTPException as refusal:
            return _error(refusal.status, refusal.reason)
        except (BadArgumentError, json.JSONDecodeError, UnicodeDecodeError) as mistake:
            return _error(400, f"ERR {mistake}")
        except Exception:
            log.exception("%s %s failed; please report this bug", request.method, request.path)
            return _error(500, "ERR internal error; the server's log has it")

    def _caller(self, request: web.Request) -> Caller:
        peer = request.transport.get_extra_info("peername") if request.transport else None
        host, port = peer[:2] if peer else ("", 0)
        return Caller(
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            request.headers.get("Host", ""),
            request.headers.get("Authorization", ""),
            request.cookies.get(self._cookie, ""),
        )

    def _session(self, request: web.Request) -> Session:
        """A session for this request, to be ended. Raises DeniedError."""
        return self._access.session(self._caller(request))

    def _require_caller(self, request: web.Request) -> None:
        """Raises DeniedError unless who is calling is somebody. To be called before the body is read:
        strangers shall not make the server hold it."""
        self._engine.end_session(self._session(request))

    def _require_info(self, request: web.Request) -> None:
        """Raises DeniedError unless who is calling may call INFO."""
        engine = self._engine
        session = self._session(request)
        try:
            command = engine.table.find([b"info"])
            assert command is not None, "INFO is always there"
            refusal = engine.acl.refusal(session, command, [b"info"])
            if refusal is not None:
                raise DeniedError(403, refusal.decode("utf-8", "replace"))
        finally:
            engine.end_session(session)

    # The console

    async def _page(self, request: web.Request) -> web.StreamResponse:
        path = _PAGES[request.path]
        return web.Response(text=path.read_text("utf-8"), content_type=_CONTENT_TYPES[path.suffix])

    async def _log_in(self, request: web.Request) -> web.StreamResponse:
        fields = await _object(request)
        user, password = fields.get("user"), fields.get("password")
        if not isinstance(user, str) or not isinstance(password, str):
            raise BadArgumentError("user and password must be strings")
        token = self._access.log_in(self._caller(request), user.encode(), password.encode())
        response = _json({"user": user})
        response.set_cookie(self._cookie, token, httponly=True, samesite="Strict")
        return response

    async def _log_out(self, request: web.Request) -> web.StreamResponse:
        self._access.log_out(request.cookies.get(self._cookie, ""))
        response = _json({})
        response.del_cookie(self._cookie)
        return response

    async def _show_session(self, request: web.Request) -> web.StreamResponse:
        session = self._session(request)
        user = session.user.name.decode("utf-8", "replace")
        self._engine.end_session(session)
        return _json(
            {
                "user": user,
                "version": DSCACHE_VERSION,
                "databases": len(self._engine.keyspaces),
                "is_login": self._access.is_login(request.cookies.get(self._cookie, "")),
            }
        )

    async def _command(self, request: web.Request) -> web.StreamResponse:
        self._require_caller(request)
        fields = await _object(request)
        is_batch = "batch" in fields
        requests = _requests(fields["batch"] if is_batch else [fields.get("args")])
        request[_SHARE].take(_WORD_BYTES * sum(map(len, requests)))
        database = self._database(fields.get("db", 0))
        session = self._session(request)
        session.keyspace = self._engine.keyspaces[database]
        answer = Answer(request[_SHARE].take)
        await self._runner.run_all(session, requests, answer.add)
        if isinstance(answer.refusal, ReplyTooLargeError):
            return _error(413, f"ERR {answer.refusal}")
        if answer.refusal is not None:
            raise answer.refusal
        replies = answer.array()
        body = b'{"replies": ' + replies + b"}" if is_batch else replies[1:-1]
        return web.Response(body=body, content_type="application/json", charset="utf-8")

    def _database(self, number: object) -> int:
        if not isinstance(number, int) or not 0 <= number < len(self._engine.keyspaces):
            raise BadArgumentError("db is not the number of a database")
        return number

    async def _allowed(self, request: web.Request) -> web.StreamResponse:
        self._require_caller(request)
        requests = _requests((await _object(request)).get("batch"))
        engine = self._engine
        session = self._session(request)
        user = session.user
        engine.end_session(session)
        found: list[Json] = []
        for args in requests:
            command = engine.table.find(args)
            found.append(
                command is not None and engine.acl.check_command(user, command, args) is None
            )
        return _json({"allowed": found})

    async def _figures(self, request: web.Request) -> web.StreamResponse:
        self._require_info(request)
        names = [name for name in request.query.get("history", "").split(",") if name]
        try:
            since = float(request.query.get("since", "0"))
        except ValueError as error:
            raise BadArgumentError("since is not a time in seconds") from error
        figures = {
            "time": self._engine.core.clock.time(),
            "figures": self._history.now(),
            "history": self._history.series(names, since),
        }
        body = json.dumps(figures).encode()
        request[_SHARE].take(len(body))
        return web.Response(body=body, content_type="application/json", charset="utf-8")

    async def _reference(self, request: web.Request) -> web.StreamResponse:
        self._require_caller(request)
        directives: dict[str, Json] = {
            one.name: {
                "section": one.section.title,
                "doc": one.doc,
                "accepts": one.accepts(),
                "default": one.render(one.default),
                "immutable": one.immutable,
                "secret": one.secret,
            }
            for one in Config.directives()
        }
        figures: dict[str, Json] = {
            member.name: {"section": section.title, "doc": member.doc, "kind": member.kind}
            for section in SECTIONS
            for member in section.members
            if isinstance(member, Figure)
        }
        return _json({"directives": directives, "figures": figures})

    # For machines

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        self._require_info(request)
        body, content_type = await asyncio.to_thread(
            Exposition(self._engine).render, request.headers.get("Accept", "")
        )
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _healthz(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.StreamResponse:
        reason = why_not_ready(self._engine)
        return web.Response(text=f"{reason or 'ready'}\n", status=503 if reason else 200)


class _TurnedAway(asyncio.Protocol):
    """A connection beyond the limit: ended at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _json(value: Json, status: int = 200) -> web.Response:
    return web.Response(text=json.dumps(value), status=status, content_type="application/json")


def _error(status: int, text: str) -> web.Response:
    return _json({"error": text}, status)


async def _object(request: web.Request) -> dict[str, object]:
    """The body: an object of JSON. Raises BadArgumentError and HeldTooMuchError."""
    length = request.content_length
    request[_SHARE].take(_MOST_BODY_BYTES if length is None else min(length, _MOST_BODY_BYTES))
    try:
        async with asyncio.timeout(_RECEIVING_SECONDS):
            body = await request.read()
    except TimeoutError as error:
        raise BadArgumentError("the body did not arrive in time") from error
    value: object = json.loads(body)
    if not isinstance(value, dict):
        raise BadArgumentError("the body is not an object of JSON")
    return value


def _requests(batch: object) -> list[list[bytes]]:
    """The commands of a body. Raises BadArgumentError."""
    if not isinstance(batch, list) or not 0 < len(batch) <= _MOST_COMMANDS:
        raise BadArgumentError(f"a batch is an array of 1 to {_MOST_COMMANDS} commands")
    return [arguments(words) for words in batch]
