"""A client of the HTTP port, for tests."""

from __future__ import annotations

import base64
import http.client
import json
from typing import NamedTuple, TypeAlias

from serving import DEADLINE_SECONDS, ServerProcess

#: What json.loads may return.
Json: TypeAlias = str | int | float | bool | list["Json"] | dict[str, "Json"] | None


class Response(NamedTuple):
    """An answer. ``headers`` have names in lower case."""

    status: int
    headers: dict[str, str]
    text: str

    def json(self) -> dict[str, Json]:
        """The body, which is an object."""
        value = json.loads(self.text)
        assert isinstance(value, dict)
        return value


class Visitor:
    """Makes requests of ``server``, each on a connection of its own, with ``headers``."""

    def __init__(self, server: ServerProcess, **headers: str) -> None:
        self._port = int(server.directives["http_port"])
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def get(self, path: str, **headers: str) -> Response:
        """GET ``path``."""
        return self._request("GET", path, None, headers)

    def post(self, path: str, body: object, **headers: str) -> Response:
        """POST ``body`` as JSON, or as it is if it is bytes."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._request("POST", path, data, {"X-Dscache": "1", **headers})

    def call(self, *args: str | int | dict[str, str], db: int = 0) -> Json:
        """Run one command; its reply, or the error as it would stand on the wire."""
        answer = self.post("/api/command", {"args": list(args), "db": db}).json()
        return answer["reply"] if "reply" in answer else f"-{answer['error']}"

    def _request(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> Response:
        shown = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE_SECONDS)
        try:
            connection.request(method, path, body, {**self.headers, **shown})
            response = connection.getresponse()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return Response(response.status, fields, response.read().decode())
        finally:
            connection.close()


def basic(user: str, password: str) -> str:
    """The header Authorization of a user."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
